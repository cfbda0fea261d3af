import { symlink } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { finished, send } from "../_support/api.ts";
import {
  createApp,
  nitroConfig,
  startServer,
  type TestApp,
  type TestServer,
  workDir,
} from "../_support/app.ts";

const stops: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  await Promise.all(stops.splice(0).map((stop) => stop()));
});

async function served(files: Record<string, string>): Promise<TestServer> {
  const app: TestApp = await createApp({ files });
  stops.push(app.remove);
  const { code, output } = await app.build();
  expect(code, output).toBe(0);
  const server = await startServer(`${app.dir}/.output`, workDir());
  stops.push(() => server.stop("SIGKILL"));
  return server;
}

const hello = `export async function hello() {\n  "use workflow";\n  return "hello";\n}\n`;
const check = `export async function check() {\n  "use runner";\n  return { status: "pass" as const };\n}\n`;

test("the API and the runners move with their routes and the app's baseURL", async () => {
  const server = await served({
    "nitro.config.ts": nitroConfig(
      '{ route: "/jobs", service: true, runners: { route: "/checks" } }',
      'baseURL: "/app/"',
    ),
    "src/workflows/hello.ts": hello,
    "src/runners/check.ts": check,
  });
  const listed = await send(`${server.url}/app/jobs`);
  expect(listed.body.orchestrators).toEqual(["hello", "run"]);
  expect(listed.body.usage.endpoint).toBe("/app/jobs/{orchestratorName}");
  const started = await send(`${server.url}/app/jobs/hello`, {});
  expect(started.status).toBe(200);
  const ended = await send(`${server.url}${started.headers.get("location")}&wait=20`);
  expect(ended.body).toBe("hello");
  expect((await send(`${server.url}/app/checks/info`)).body.runners).toEqual(["check"]);
  expect((await fetch(`${server.url}/app/api/orchestrator`)).status).toBe(404);
  // The run service is below the baseURL as well as below the route.
  for (const base of ["/app", "/app/jobs"]) {
    const { status, headers, body } = await send(`${server.url}${base}/runs`, {
      workflow: "hello",
    });
    expect([status, headers.get("location")]).toEqual([201, `${base}/runs/${body.runId}`]);
    expect((await send(`${server.url}${base}/runs/${body.runId}`)).body.run.id).toBe(body.runId);
    expect((await send(`${server.url}${base}/health`)).body.ok).toBe(true);
    expect((await send(`${server.url}${base}/ready`)).body).toEqual({ ok: true });
  }
});

test("an app without workflows serves ours alone, and a trailing slash is no other route", async () => {
  const server = await served({ "nitro.config.ts": nitroConfig() });
  for (const path of ["/api/orchestrator", "/api/orchestrator/"]) {
    const { status, body } = await send(`${server.url}${path}`);
    expect({ status, names: body.orchestrators }).toEqual({ status: 200, names: ["run"] });
  }
  expect((await send(`${server.url}/api/orchestrator/any`, {})).status).toBe(400);
});

test("an input export that is no schema stops the start, and names its file", async () => {
  const app = await createApp({
    files: {
      "nitro.config.ts": nitroConfig(),
      "workflows/hello.ts": `export const helloInput = 3;\n${hello}`,
    },
  });
  stops.push(app.remove);
  expect((await app.build()).code).toBe(0);
  await expect(startServer(`${app.dir}/.output`, workDir())).rejects.toThrow(
    /cannot start: workflows\/hello\.ts: the input export of "hello" must be a Standard Schema/,
  );
});

test("a schema from a workspace package is bundled with what only that package finds", async () => {
  const app = await createApp({
    files: {
      "nitro.config.ts": nitroConfig(),
      "workflows/hello.ts": `import { nameInput } from "shared";\nexport const helloInput = nameInput;\n${hello}`,
      "packages/shared/package.json":
        '{ "name": "shared", "version": "1.0.0", "type": "module", "exports": "./index.ts" }',
      "packages/shared/index.ts":
        'import { z } from "zod";\nimport { least } from "inner";\nexport const nameInput = z.string().min(least);\n',
      "packages/shared/node_modules/inner/package.json":
        '{ "name": "inner", "version": "1.0.0", "type": "module", "exports": "./index.js" }',
      "packages/shared/node_modules/inner/index.js": "export const least = 2;\n",
    },
  });
  stops.push(app.remove);
  await symlink(join(app.dir, "packages/shared"), join(app.dir, "node_modules/shared"), "dir");
  const { code, output } = await app.build();
  expect(code, output).toBe(0);
  const server = await startServer(`${app.dir}/.output`, workDir());
  stops.push(() => server.stop("SIGKILL"));
  const statuses = await Promise.all(
    ["a", "ab"].map(
      async (input) => (await send(`${server.url}/api/orchestrator/hello`, { input })).status,
    ),
  );
  expect(statuses).toEqual([400, 200]);
});

test("a prerendering build starts no World and takes up no run", async () => {
  const app = await createApp({
    files: {
      "nitro.config.ts": nitroConfig(
        "{}",
        `prerender: { routes: ["/page"] }, routes: { "/page": "./page.ts" }`,
      ),
      "page.ts": `export default () => "<p>page</p>";\n`,
      "workflows/hello.ts": hello,
    },
  });
  stops.push(app.remove);
  const { code, output } = await app.build({ PLAYWRIGHT_RUNNERS: "not json" });
  // The variable would stop a start.
  expect(output).not.toContain("cannot start");
  expect(code, output).toBe(0);
  const server = await startServer(`${app.dir}/.output`, workDir());
  stops.push(() => server.stop("SIGKILL"));
  const started = await send(`${server.url}/api/orchestrator/hello`, {});
  expect((await finished(server.url, "hello", started.body.runId)).body).toBe("hello");
});
