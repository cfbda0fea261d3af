import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { afterAll, beforeAll, expect, test } from "vitest";
import { finished, startRun } from "../_support/api.ts";
import { root, startServer } from "../_support/app.ts";
import { resultsOf, startHost, submit } from "../_support/hosts.ts";
import { runNode } from "../_support/process.ts";

const run = promisify(execFile);

// Outside the repository, so that nothing of its node_modules can be found by accident.
let dir: string;
let app: string;
let tarball: string;

const files: Record<string, string> = {
  "package.json": JSON.stringify({
    name: "scratch",
    version: "1.0.0",
    type: "module",
    private: true,
  }),
  "nitro.config.ts": `import { defineConfig } from "nitro";
import orchestrator from "@runners/orchestrator/nitro";

export default defineConfig({
  modules: [orchestrator],
  orchestrator: { loadBalancer: { type: "round-robin" }, runners: { region: "eu" } },
});
`,
  "wrong.ts": `import { defineConfig } from "nitro";
import "@runners/orchestrator/nitro";

// @ts-expect-error a wrong type of balancer is noticed in the editor
defineConfig({ orchestrator: { loadBalancer: { type: "fastest" }, registry: { type: "in-memory" } } });
`,
  "workflows/hello.ts": `import { aggregateResults, InMemoryServerRegistry, LeastLoadLoadBalancer, type RunnerJob } from "@runners/orchestrator";

export async function hello(jobs: RunnerJob[]) {
  "use workflow";
  return { jobs: jobs.length, summary: aggregateResults([], []).summary, text: await text() };
}

async function text(): Promise<string> {
  "use step";
  return [InMemoryServerRegistry, LeastLoadLoadBalancer].map((c) => typeof c).join();
}
`,
  "runners/check.ts": `import type { RunnerContext } from "@runners/orchestrator/types";
import { createRunnerHandler, withPlaywright } from "@runners/orchestrator/runner";
import { createHttpExecutor } from "@runners/orchestrator/executors/http";

export const parts: unknown[] = [createRunnerHandler, withPlaywright, createHttpExecutor];

export async function check(ctx: RunnerContext) {
  "use runner";
  ctx.log("checked");
  return { status: "pass" as const };
}
`,
  "host.ts": `import { createOrchestratorHandler, toNodeListener } from "@runners/orchestrator/http";
import { createOrchestratorHandler as same, RoundRobinLoadBalancer } from "@runners/orchestrator";

const handler: typeof same extends typeof createOrchestratorHandler
  ? ReturnType<typeof same>
  : never = same({ route: "", loadBalancer: new RoundRobinLoadBalancer() });
export const answer: Promise<Response> = handler({ req: new Request("http://localhost/run") });
export const closed: Promise<void> = handler.close();
toNodeListener(handler)({ url: "/" }, {});

// @ts-expect-error globs of workflows are for the build
createOrchestratorHandler({ pattern: "workflows/**" });
`,
  "host.mjs": `import { createServer } from "node:http";
import { createOrchestratorHandler, toNodeListener } from "@runners/orchestrator/http";

const runners = { statusTest: async () => ({ status: "pass" }) };
const server = createServer(toNodeListener(createOrchestratorHandler({ runners })));
server.listen(Number(process.env.PORT), "127.0.0.1", () => {
  console.log(\`Listening on http://127.0.0.1:\${server.address().port}/\`);
});
`,
  "tsconfig.json": JSON.stringify({
    compilerOptions: {
      target: "ES2023",
      module: "ESNext",
      moduleResolution: "Bundler",
      strict: true,
      noEmit: true,
      skipLibCheck: false,
      types: [],
    },
    include: ["*.ts", "workflows", "runners"],
  }),
};

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "orchestrator-package-"));
  app = join(dir, "app");
  const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", dir], { cwd: root });
  const [packed] = JSON.parse(stdout) as { filename: string }[];
  tarball = join(dir, packed!.filename);
  for (const [path, contents] of Object.entries(files)) {
    await mkdir(join(app, path, ".."), { recursive: true });
    await writeFile(join(app, path), contents);
  }
  // The engine comes with it, as it does for a user; Nitro is for those who build with it.
  const { peerDependencies } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as {
    peerDependencies: { nitro: string };
  };
  const { nitro } = peerDependencies;
  const flags = ["--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"];
  await run("npm", ["install", ...flags, tarball, `nitro@${nitro}`, "zod", "playwright-core"], {
    cwd: app,
    timeout: 240_000,
  });
}, 300_000);

afterAll(() => rm(dir, { recursive: true, force: true }));

test("publint finds nothing to say of the packed package", async () => {
  const { messages, pkg } = await publint({ pkgDir: root, pack: "npm", strict: true });
  expect(messages.map((message) => formatMessage(message, pkg!))).toEqual([]);
});

test("the package holds what runs and no more", async () => {
  const { stdout } = await run("tar", ["-tzf", tarball]);
  const names = stdout.trim().split("\n");
  expect(
    names.filter(
      (name) =>
        !/^package\/(?:dist\/|schemas\/\w+\.schema\.json$|package\.json|README\.md|CHANGELOG\.md|LICENSE)/.test(
          name,
        ),
    ),
  ).toEqual([]);
  expect(names).toContain("package/LICENSE");
  expect(names).toContain("package/dist/nitro.d.mts");
  expect(names).toContain("package/dist/cli/orchestrator.mjs");
  expect(names.filter((name) => name.startsWith("package/schemas/"))).toHaveLength(3);
});

test("its types resolve in a user's app, its own declarations included", async () => {
  const { code, output } = await runNode(
    [join(root, "node_modules/typescript/bin/tsc"), "-p", app],
    app,
  );
  // Of declarations only ours are ours to keep right.
  const ours = output
    .split("\n")
    .filter((line) => /error TS/.test(line) && !/^node_modules\/(?!@runners\/)/.test(line));
  expect(ours).toEqual([]);
  expect(code === 0 || output.includes("error TS")).toBe(true);
});

test("its JSON Schemas are to be had by their names", async () => {
  const script = `
    import { createRequire } from "node:module";
    const { resolve } = createRequire(import.meta.url);
    for (const name of ["run", "checkpoint", "event"]) {
      const path = \`@runners/orchestrator/schemas/\${name}.schema.json\`;
      const { default: schema } = await import(path, { with: { type: "json" } });
      console.log(schema.$id, resolve(path).endsWith(".json"));
    }
  `;
  await writeFile(join(app, "schemas.mjs"), script);
  const { code, output } = await runNode(["--no-warnings", "schemas.mjs"], app);
  expect([code, output.trim().split("\n")]).toEqual([
    0,
    ["run", "checkpoint", "event"].map((name) => `urn:runners:orchestrator:${name} true`),
  ]);
});

test("a plain host runs with it, and nothing but the package and the engine", async () => {
  const host = await startHost(join(app, "host.mjs"), join(dir, "host"));
  try {
    const base = `${host.url}/api/orchestrator`;
    const runId = await submit(base, "local", "https://example.com");
    expect((await resultsOf(base, runId)).body.summary).toMatchObject({ passed: 1 });
  } finally {
    await host.stop("SIGKILL");
  }
});

test("the app builds with it, and runs moved away, without node_modules beside it", async () => {
  const { code, output } = await runNode(["node_modules/nitro/dist/cli/index.mjs", "build"], app);
  expect(output).not.toMatch(/warn.*(?:unresolved|could not be resolved)/i);
  expect(code).toBe(0);
  const away = join(dir, "away");
  // As `cp -a` or a container image would: links of the output stay inside it.
  await cp(join(app, ".output"), join(away, "output"), { recursive: true, verbatimSymlinks: true });
  await rm(app, { recursive: true, force: true });
  expect(await readdir(away)).toEqual(["output"]);
  const server = await startServer(join(away, "output"), join(dir, "elsewhere"));
  try {
    const runId = await startRun(server.url, "hello", { jobs: [{ runners: ["check"] }] });
    const { body } = await finished(server.url, "hello", runId);
    expect(body).toEqual({
      jobs: 1,
      summary: { total: 0, passed: 0, failed: 0, errored: 0 },
      text: "function,function",
    });
    const executed = await fetch(`${server.url}/api/runner/execute`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ runners: ["check"] }),
    });
    expect(await executed.json()).toMatchObject({
      region: "eu",
      results: [{ name: "check", status: "pass" }],
    });
  } finally {
    await server.stop("SIGKILL");
  }
  // An optional package that was not there at the build is said to be missing when it is needed.
  const env = { RATE_LIMIT_MAX: "1", ORCHESTRATOR_REDIS_URL: "redis://127.0.0.1:1" };
  const starting = startServer(join(away, "output"), join(dir, "elsewhere"), env);
  await expect(starting).rejects.toThrow(
    "cannot start: ORCHESTRATOR_REDIS_URL is set, which needs the package ioredis. Install it with `npm install ioredis@5`.",
  );
});
