import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { finished, send, startRun } from "../_support/api.ts";
import {
  createApp,
  nitroConfig,
  root,
  startServer,
  type TestApp,
  type TestServer,
  workDir,
} from "../_support/app.ts";
import { resultsOf, startHost, submit } from "../_support/hosts.ts";

/** Words of the standalone server that no other part has. */
const standalone = "createOrchestratorHandler was called again";

const workflow = `import * as orchestrator from "@runners/orchestrator";

export async function names() {
  "use workflow";
  return Object.keys(orchestrator).sort();
}

export async function slow() {
  "use workflow";
  return work();
}

async function work(): Promise<string> {
  "use step";
  await new Promise((resolve) => setTimeout(resolve, 2000));
  return "done";
}

export async function misuse() {
  "use workflow";
  try {
    orchestrator.createOrchestratorHandler();
  } catch (error) {
    return (error as Error).message;
  }
}
`;

let plain: TestApp;
let serving: TestApp;
let server: TestServer;

beforeAll(async () => {
  plain = await createApp({
    files: { "nitro.config.ts": nitroConfig(), "workflows/names.ts": workflow },
  });
  const make = (options: string): string =>
    `import { createOrchestratorHandler } from "@runners/orchestrator";
const handler = createOrchestratorHandler(${options});
export default handler;
`;
  serving = await createApp({
    files: {
      "nitro.config.ts": nitroConfig("{}", 'serverDir: "./"'),
      "workflows/names.ts": workflow,
      "routes/api/orchestrator/[...path].ts": make(""),
      "routes/wrong.ts": make('{ dataDir: "elsewhere" }'),
      "routes/secret.ts": make("{ apiKeys: [] }"),
    },
  });
  for (const app of [plain, serving]) {
    const { code, output } = await app.build();
    expect(code, output).toBe(0);
  }
  server = await startServer(join(serving.dir, ".output"), join(serving.dir, "cwd"));
}, 240_000);

afterAll(async () => {
  await server?.stop("SIGKILL");
  await plain?.remove();
  await serving?.remove();
});

/** All JavaScript of a built server. */
function bundleOf(app: TestApp): string {
  const folder = join(app.dir, ".output/server");
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".mjs"))
    .filter((entry) => !entry.parentPath.includes("node_modules"))
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), "utf8"))
    .join("\n");
}

test.each(["lmdb", "h3", "node:", "srvx", "createQueueHandler"])(
  "the script of workflows that import everything of ours has nothing of %s",
  (word) => {
    const script = readFileSync(join(serving.dir, ".nitro/workflow/workflows.mjs"), "utf8");
    // The file has the script in a string, and around it what Node runs.
    const code = /const workflowCode = `([^]*)`;/.exec(script)?.[1];
    expect(code).toContain("fanOut");
    expect(code).not.toMatch(
      new RegExp(String.raw`(?:require\(|from |import\(|import )\\?["'\\]*${word}`),
    );
    expect(code).not.toContain(standalone);
  },
);

test("a workflow sees the same names as other code, and is told that it cannot serve", async () => {
  const runId = await startRun(server.url, "names", {});
  const { body } = await finished(server.url, "names", runId);
  const outside = await import("@runners/orchestrator");
  expect(body).toEqual(Object.keys(outside).sort());
  const misuse = await startRun(server.url, "misuse", {});
  expect((await finished(server.url, "misuse", misuse)).body).toMatch(/called in a workflow/);
});

test("an app that makes no handler does not carry what one would need", () => {
  expect(bundleOf(serving)).toContain(standalone);
  expect(bundleOf(plain)).not.toContain(standalone);
  expect(bundleOf(plain)).toContain("cannot start");
});

test("a route's default export serves the app, with its own workflows", async () => {
  const { status, body } = await send(`${server.url}/api/orchestrator`);
  expect(status).toBe(200);
  expect(body.orchestrators).toEqual(["misuse", "names", "run", "slow"]);
});

test("options that belong into nitro.config.ts are refused with words that say so", async () => {
  const response = await fetch(`${server.url}/wrong`);
  expect(response.status).toBe(500);
  await server.printed(/orchestrator\.dataDir was given .* in nitro\.config\.ts/);
  // A key would end up in the build.
  expect((await fetch(`${server.url}/secret`)).status).toBe(500);
  await server.printed(/orchestrator\.apiKeys was given .*: set ORCHESTRATOR_API_KEYS/);
});

test("a host without the app's workflows leaves their runs in the store as they are", async () => {
  const cwd = workDir();
  const host = await createApp({ from: join(root, "examples/node-http") });
  const built = join(plain.dir, ".output");
  const first = await startServer(built, cwd);
  const runId = await startRun(first.url, "slow", {});
  await new Promise((resolve) => setTimeout(resolve, 1000));
  await first.stop("SIGKILL");
  const other = await startHost(join(host.dir, "server.mjs"), cwd);
  try {
    const base = `${other.url}/api/orchestrator`;
    const mine = await submit(base, "local", `${base}/run`);
    expect((await resultsOf(base, mine)).body).toMatchObject({ state: "completed" });
    // The step that was cut off is due at once; a process without it could only fail it.
    await new Promise((resolve) => setTimeout(resolve, 3000));
    const { body } = await send(`${base}/runs`);
    expect(body.runs.find((run: { id: string }) => run.id === runId)).toMatchObject({
      status: "running",
    });
    expect(other.output()).not.toMatch(/failed|error/i);
  } finally {
    await other.stop("SIGKILL");
    await host.remove();
  }
  const again = await startServer(built, cwd);
  try {
    expect((await finished(again.url, "slow", runId)).body).toBe("done");
  } finally {
    await again.stop("SIGKILL");
  }
});
