import { setWorld } from "workflow/runtime";
import { expect, test } from "vitest";
import { resumeWaiting } from "../../src/runtime/hooks.ts";
import { append, createRun, openWorld } from "../world/support.ts";

const missing = "wrun_01KA0000000000000000000000";

test("a hook that is there no more, or whose run is not, is passed over", async () => {
  const world = await openWorld();
  const runId = await createRun(world);
  await append(world, runId, "hook_created", {
    correlationId: "hook_1",
    eventData: { token: "t" },
  });
  setWorld(world as never);
  await resumeWaiting("nobody's", null);
  await resumeWaiting("t", null);
  const stored = await world.hooks.getByToken("t");
  const hooks = { ...world.hooks, getByToken: async () => ({ ...stored, runId: missing }) };
  setWorld({ ...world, hooks } as never);
  await expect(resumeWaiting("t", null)).resolves.toBeUndefined();
});
