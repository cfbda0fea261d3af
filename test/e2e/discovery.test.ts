import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { finished, send, startRun } from "../_support/api.ts";
import {
  createApp,
  nitroConfig,
  root,
  startServer,
  type TestApp,
  workDir,
} from "../_support/app.ts";

const apps: TestApp[] = [];

afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.remove()));
});

async function app(options: Parameters<typeof createApp>[0]): Promise<TestApp> {
  const created = await createApp(options);
  apps.push(created);
  return created;
}

describe("the app with a file a form", () => {
  test("gives this very manifest, twice the same bytes, and each workflow runs", async () => {
    const forms = await app({ from: join(root, "test/fixture/forms") });
    const { code, output } = await forms.build();
    expect(code).toBe(0);
    const bundle = join(forms.dir, ".nitro/orchestrators/orchestrators.mjs");
    const first = await readFile(bundle, "utf8");
    const manifest = (await import(`${bundle}?first`)) as {
      workflows: { name: string; workflowId?: string }[];
      inputs: object;
    };
    expect(manifest.workflows.map(({ name, workflowId }) => [name, workflowId])).toEqual([
      ["arrow", "workflow//./workflows/arrow//arrow"],
      ["byItsName", "workflow//./workflows/default-named//byItsName"],
      ["declaration", "workflow//./workflows/declaration//declaration"],
      ["deep", "workflow//./workflows/nested/deep/index//default"],
      ["defaultArrow", "workflow//./workflows/default-arrow//default"],
      ["expression", "workflow//./workflows/expression//expression"],
      ["größe", undefined],
      ["imported", "workflow//./lib/shared//starred"],
      ["moduleArrow", "workflow//./workflows/module-level//moduleArrow"],
      ["moduleLevel", "workflow//./workflows/module-level//moduleLevel"],
      ["oneLine", undefined],
      ["renamed", "workflow//./lib/shared//shared"],
      ["separate", "workflow//./workflows/separate//inner"],
      ["shared", "workflow//./lib/shared//shared"],
      ["starred", "workflow//./lib/shared//starred"],
      ["wrapped", undefined],
    ]);
    expect(Object.keys(manifest.inputs)).toEqual(["renamed", "shared"]);
    expect(output).toContain(
      'workflows/one-line.ts:1:1 the engine does not compile the workflow "oneLine"',
    );
    expect(output).toContain("Put 'use workflow' on a line of its own.");
    expect(output).toMatch(/workflows\/wrapped\.ts:3:1 .*\s+It compiles plain functions only/);
    expect(output).toMatch(/workflows\/unicode\.ts:1:1 .*\s+Rename its file or function/);
    // What the HTTP side needs and no more: no workflow's body, no file without one.
    expect(first).not.toMatch(/return jobs|use workflow|ordinary/);

    await rm(bundle);
    expect((await forms.build()).code).toBe(0);
    expect(await readFile(bundle, "utf8")).toBe(first);

    const server = await startServer(join(forms.dir, ".output"), workDir());
    try {
      const started = manifest.workflows.filter((entry) => entry.workflowId);
      const statuses = await Promise.all(
        started.map(async ({ name }) => {
          const body = name in manifest.inputs ? { input: { a: "x" } } : { args: [{ url: "u" }] };
          return (await finished(server.url, name, await startRun(server.url, name, body))).status;
        }),
      );
      expect(statuses).toEqual(started.map(() => 200));
      const overlooked = await send(`${server.url}/api/orchestrator/oneLine`, {});
      expect(overlooked.status).toBe(501);
      expect(overlooked.body.error).toContain("workflows/one-line.ts:1");
      const { body } = await send(`${server.url}/api/orchestrator`);
      expect(body.workflows.find((w: { name: string }) => w.name === "oneLine").startable).toBe(
        false,
      );
    } finally {
      await server.stop("SIGKILL");
    }
  });
});

describe("a build that cannot be right stops", () => {
  test.each([
    [
      "two workflows of one name",
      {
        "workflows/a.ts": 'export async function twin() {\n  "use workflow";\n}\n',
        "workflows/b.ts": 'export async function twin() {\n  "use workflow";\n}\n',
      },
      "{}",
      /workflows\/b\.ts:1:1 the name "twin" is taken by workflows\/a\.ts:1\s+Rename/,
    ],
    [
      "a near miss",
      { "workflows/a.ts": 'export async function a() {\n  "use workflo";\n}\n' },
      "{}",
      /workflows\/a\.ts:2:3 'use workflo' looks like 'use workflow'/,
    ],
    [
      "a syntax error",
      { "workflows/a.ts": "export async function a() {\n  let 1;\n}\n" },
      "{}",
      /workflows\/a\.ts:2:\d+ syntax error/,
    ],
    [
      "a bad runner",
      { "runners/a.ts": 'export function a() {\n  "use runner";\n}\n' },
      "{ runners: {} }",
      /runners\/a\.ts:1:8 function "a" has the directive 'use runner' but is not async/,
    ],
    [
      "a bad option",
      {},
      '{ registry: { type: "in-memory", servers: [{ id: "a", url: "foo", region: "eu" }] } as never }',
      /orchestrator\.registry\.servers\[0\]\.url must be an absolute http\(s\) URL \(got "foo"\)/,
    ],
    ["an unknown option", {}, "{ registy: {} } as never", /orchestrator\.registy is not an option/],
  ])("for %s", async (_what, files, options, message) => {
    const broken = await app({
      files: { "nitro.config.ts": nitroConfig(options), ...(files as Record<string, string>) },
    });
    const { code, output } = await broken.build();
    expect(output).toMatch(message);
    expect(code).not.toBe(0);
  });
});

describe("the app's own modules", () => {
  test("a registry and a balancer by path are bundled and used", async () => {
    const custom = await app({
      files: {
        "nitro.config.ts": nitroConfig(
          '{ registry: "./servers/registry", loadBalancer: "./servers/balancer.ts", pattern: "flows/*.ts" }',
        ),
        "servers/registry.ts": `import { InMemoryServerRegistry } from "@runners/orchestrator";
export default () => new InMemoryServerRegistry({ servers: [
  { id: "one", url: "http://127.0.0.1:1/api/runner", region: "eu" },
  { id: "two", url: "http://127.0.0.1:2/api/runner", region: "eu" },
] });
`,
        "servers/balancer.ts": `import type { LoadBalancer } from "@runners/orchestrator";
export default class Last implements LoadBalancer {
  readonly name = "last";
  select(candidates: Parameters<LoadBalancer["select"]>[0]) { return candidates.at(-1); }
}
`,
        "flows/pick.ts": `import { findAvailableServersStep, selectBestServerStep } from "@runners/orchestrator";
export async function pick() {
  "use workflow";
  return (await selectBestServerStep(await findAvailableServersStep())).id;
}
`,
      },
    });
    expect(await custom.build()).toMatchObject({ code: 0 });
    await writeFile(join(custom.dir, "servers/registry.ts"), "");
    const server = await startServer(join(custom.dir, ".output"), workDir());
    try {
      const { body } = await finished(server.url, "pick", await startRun(server.url, "pick", {}));
      expect(body).toBe("two");
    } finally {
      await server.stop("SIGKILL");
    }
  });
});

describe("the engine's own module", () => {
  const files = {
    "workflows/a.ts": 'export async function a() {\n  "use workflow";\n  return 1;\n}\n',
  };
  const config = (modules: string): string => `import { defineConfig } from "nitro";
export default defineConfig({ modules: ${modules}, buildDir: ".nitro" });
`;

  test("may be in the app already, and its routes are guarded all the same", async () => {
    const both = await app({
      files: {
        ...files,
        "nitro.config.ts": config('["workflow/nitro", "@runners/orchestrator/nitro"]'),
      },
    });
    expect((await both.build()).code).toBe(0);
    const server = await startServer(join(both.dir, ".output"), workDir());
    try {
      expect((await finished(server.url, "a", await startRun(server.url, "a", {}))).body).toBe(1);
      const forged = await send(`${server.url}/.well-known/workflow/v1/flow`, {});
      expect(forged.status).toBe(403);
    } finally {
      await server.stop("SIGKILL");
    }
  });

  test("after ours is a build error that says what to do", async () => {
    const wrong = await app({
      files: {
        ...files,
        "nitro.config.ts": config('["@runners/orchestrator/nitro", "workflow/nitro"]'),
      },
    });
    const { code, output } = await wrong.build();
    expect(code).not.toBe(0);
    expect(output).toContain("move it before, or remove it, since ours adds it");
  });
});
