import { rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { finished, send, startRun, until } from "../_support/api.ts";
import { createApp, nitroConfig, type TestApp, type TestServer } from "../_support/app.ts";

let app: TestApp;
let server: TestServer;
let workerPid: string;

const workflow = (name: string, value: string): string => `export async function ${name}() {
  "use workflow";
  return await value();
}
async function value() {
  "use step";
  return ${JSON.stringify(value)};
}
`;

beforeAll(async () => {
  app = await createApp({
    files: {
      "nitro.config.ts": nitroConfig("{ runners: {} }"),
      "workflows/first.ts": workflow("first", "one"),
      "runners/check.ts": `export async function check() {\n  "use runner";\n  return { status: "pass" };\n}\n`,
      "routes/started.ts": `const started = String(Math.random());\nexport default () => started;\n`,
    },
  });
  // An app with routes of its own, to see that ours are not rebuilt with each workflow.
  await writeFile(
    join(app.dir, "nitro.config.ts"),
    nitroConfig("{ runners: {} }", `routes: { "/started": "./routes/started.ts" }`),
  );
  server = await app.dev();
  await until(async () => (await fetch(`${server.url}/started`)).ok, 30_000, "the dev server");
  workerPid = await (await fetch(`${server.url}/started`)).text();
});

afterAll(async () => {
  await server.stop("SIGKILL");
  await app.remove();
});

/** The app's own workflows; `run` is ours. */
async function names(): Promise<string[]> {
  const { body } = await send(`${server.url}/api/orchestrator`);
  return body.orchestrators.filter((name: string) => name !== "run");
}

async function listed(...expected: string[]): Promise<void> {
  await until(
    async () => JSON.stringify(await names()) === JSON.stringify(expected),
    15_000,
    `the list ${expected}`,
  );
}

/** What the workflow answers with, started anew until it is compiled. */
async function answers(name: string, value: string): Promise<void> {
  await until(
    async () => {
      const started = await send(`${server.url}/api/orchestrator/${name}`, {});
      if (started.status !== 200) return false;
      return (await finished(server.url, name, started.body.runId)).body === value;
    },
    20_000,
    `the answer ${value}`,
  );
}

test("workflow files are added, changed, renamed and removed without a restart", async () => {
  await listed("first");
  await answers("first", "one");

  await writeFile(join(app.dir, "workflows/second.ts"), workflow("second", "two"));
  await listed("first", "second");
  await answers("second", "two");

  await writeFile(join(app.dir, "workflows/second.ts"), workflow("second", "zwei"));
  await answers("second", "zwei");

  await rename(join(app.dir, "workflows/second.ts"), join(app.dir, "workflows/third.ts"));
  await writeFile(join(app.dir, "workflows/third.ts"), workflow("third", "drei"));
  await listed("first", "third");
  await answers("third", "drei");

  await rm(join(app.dir, "workflows/third.ts"));
  await listed("first");

  expect(await (await fetch(`${server.url}/started`)).text()).toBe(workerPid);
});

test("a syntax error prints file and line, and keeps the last good manifest", async () => {
  await writeFile(
    join(app.dir, "workflows/broken.ts"),
    "export async function b() {\n  let 1 = 2;\n}\n",
  );
  await server.printed(/workflows\/broken\.ts:2:\d+ syntax error/);
  expect(await names()).toEqual(["first"]);
  await answers("first", "one");
  await writeFile(join(app.dir, "workflows/broken.ts"), workflow("mended", "whole"));
  await listed("first", "mended");
  await answers("mended", "whole");
  await rm(join(app.dir, "workflows/broken.ts"));
  await listed("first");
});

test("a run that sleeps while its file changes goes on", async () => {
  const napping = `import { sleep } from "workflow";
export async function napping() {
  "use workflow";
  await sleep(3000);
  return "woke";
}
`;
  await writeFile(join(app.dir, "workflows/napping.ts"), napping);
  await listed("first", "napping");
  await until(
    async () => (await send(`${server.url}/api/orchestrator/napping`)).body.startable !== false,
  );
  const runId = await startRun(server.url, "napping", {});
  await writeFile(join(app.dir, "workflows/napping.ts"), `${napping}// changed\n`);
  expect((await finished(server.url, "napping", runId)).body).toBe("woke");
});

test("a runner that is added is served", async () => {
  await writeFile(
    join(app.dir, "runners/more.ts"),
    `export async function more() {\n  "use runner";\n  return { status: "pass" };\n}\n`,
  );
  await until(
    async () => {
      const { body } = await send(`${server.url}/api/runner/info`);
      return body?.count === 2;
    },
    20_000,
    "the second runner",
  );
});

test("dev starts on a tree with a fault, and picks up when it is mended", async () => {
  const faulty = await createApp({
    files: {
      "nitro.config.ts": nitroConfig(),
      "workflows/good.ts": workflow("good", "fine"),
      "workflows/bad.ts": "export async function bad() {\n  let 1 = 2;\n}\n",
    },
  });
  const other = await faulty.dev();
  try {
    await other.printed(/workflows\/bad\.ts:2:\d+ syntax error/);
    await writeFile(join(faulty.dir, "workflows/bad.ts"), workflow("bad", "mended"));
    await until(async () => {
      const started = await send(`${other.url}/api/orchestrator/bad`, {});
      return (
        started.status === 200 &&
        (await finished(other.url, "bad", started.body.runId)).body === "mended"
      );
    }, 20_000);
    expect((await send(`${other.url}/api/orchestrator`)).body.orchestrators).toEqual([
      "bad",
      "good",
      "run",
    ]);
  } finally {
    await other.stop("SIGKILL");
    await faulty.remove();
  }
});
