import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { addStandIn } from "../../src/build/world-stand-in.ts";
import { standIn } from "../../src/core/world-stand-in.ts";

const handlersKey = Symbol.for("@runners/orchestrator//queue-handlers");
const stubKey = Symbol.for("@workflow/world//stubbedCache");

/** What the stand-in leaves in a realm of its own, where it finds only what a server has. */
function globalsAfter(env: Record<string, string>): Record<symbol, any> {
  const twice = `(${standIn.toString()})();(${standIn.toString()})();globalThis`;
  return runInNewContext(twice, { process: { env }, Response });
}

test.each([
  ["no World", {}],
  ["the one on Postgres", { WORKFLOW_TARGET_WORLD: "@workflow/world-postgres" }],
])(
  "where the environment names %s, it keeps the engine's handlers, also when several chunks bring it",
  async (_, env) => {
    const realm = globalsAfter(env);
    const handler = (): void => undefined;
    const route = realm[stubKey].createQueueHandler("__wkf_step_", handler);
    expect(realm[handlersKey].get("__wkf_step_")).toBe(handler);
    expect((await route()).status).toBe(403);
  },
);

test("it does nothing where the environment names another World", () => {
  const realm = globalsAfter({ WORKFLOW_TARGET_WORLD: "local" });
  expect(realm[stubKey]).toBeUndefined();
});

test("it stands behind the banner an output has already, whatever its form", async () => {
  const text = { output: { banner: "first" } };
  addStandIn(text as never);
  expect(text.output.banner).toMatch(/^first\n;\(/);
  const computed = { output: [{ banner: async () => "computed" }] };
  addStandIn(computed as never);
  expect(await computed.output[0]!.banner()).toMatch(/^computed\n;\(/);
  const none: { output?: { banner?: string } } = {};
  addStandIn(none as never);
  expect(none.output?.banner).toMatch(/^;\(/);
});
