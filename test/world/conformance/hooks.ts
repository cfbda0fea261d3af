import { expect } from "vitest";
import { rule, type Rule } from "./rule.ts";
import {
  append,
  bytes,
  createHook,
  dataOf,
  end,
  ends,
  history,
  log,
  newHook,
  newId,
  refusal,
  runningRun,
  text,
} from "./support.ts";

/** Hooks: one owner a token, payloads while it lives, the token free again after. */
export const hookRules: Rule[] = [
  rule("hook_created makes a hook that its id and its token find", async ({ world }) => {
    const runId = await runningRun(world);
    const [hookId, token] = [newId("hook"), newId("token")];
    const metadata = bytes("about");
    const { event, hook } = await createHook(world, runId, hookId, token, { metadata });
    expect(event).toMatchObject({ eventType: "hook_created", correlationId: hookId });
    expect(hook).toMatchObject({ runId, hookId, token });
    const stored = await world.hooks.get(hookId);
    expect(stored).toMatchObject({ runId, hookId, token, isWebhook: false, specVersion: 3 });
    expect(text(stored.metadata)).toBe("about");
    expect(stored.createdAt).toBeInstanceOf(Date);
    for (const field of ["ownerId", "projectId", "environment"] as const) {
      expect(typeof stored[field]).toBe("string");
    }
    expect(await world.hooks.getByToken(token)).toEqual(stored);
    expect((await world.hooks.list({ runId })).data).toMatchObject([{ hookId, token }]);
  }),
  rule("a webhook is known as one", async ({ world }) => {
    const runId = await runningRun(world);
    const token = newId("token");
    await createHook(world, runId, newId("hook"), token, { isWebhook: true });
    expect((await world.hooks.getByToken(token)).isWebhook).toBe(true);
  }),
  rule("the same hook a second time conflicts and changes nothing", async ({ world }) => {
    const runId = await runningRun(world);
    const { hookId, token } = await newHook(world, runId);
    const before = await world.hooks.get(hookId);
    const again = createHook(world, runId, hookId, token, { metadata: bytes("other") });
    expect(await refusal(again)).toBe("EntityConflictError");
    expect(await world.hooks.get(hookId)).toEqual(before);
    expect((await history(world, runId)).slice(2)).toEqual(["hook_created"]);
  }),
  rule("a token in use becomes a hook_conflict that names its owner", async ({ world }) => {
    const [owner, other] = [await runningRun(world), await runningRun(world)];
    const { hookId, token } = await newHook(world, owner);
    // A second hook of the owner's own run is as much of a conflict as one of another run.
    for (const runId of [other, owner]) {
      const loser = newId("hook");
      const { event, hook } = await createHook(world, runId, loser, token);
      expect(hook).toBeUndefined();
      const conflict = {
        eventType: "hook_conflict",
        correlationId: loser,
        runId,
        eventData: { token, conflictingRunId: owner },
      };
      expect(event).toMatchObject(conflict);
      expect((await log(world, runId)).at(-1)).toMatchObject(conflict);
      expect((await world.hooks.list({ runId })).data.map((one) => one.hookId)).not.toContain(
        loser,
      );
    }
    expect(await world.hooks.getByToken(token)).toMatchObject({ hookId, runId: owner });
  }),
  rule(
    "nobody but the World makes a hook_conflict",
    async ({ world }) => {
      const runId = await runningRun(world);
      await refusal(forgeConflict(world, runId));
      expect(await history(world, runId)).toEqual(["run_created", "run_started"]);
    },
    {
      "hook-conflict-forged": async ({ world }) => {
        const runId = await runningRun(world);
        await forgeConflict(world, runId);
        expect((await history(world, runId)).at(-1)).toBe("hook_conflict");
      },
    },
  ),
  rule("hook_received records each payload, and the hook stays", async ({ world }) => {
    const runId = await runningRun(world);
    const { hookId, token } = await newHook(world, runId);
    for (const payload of ["one", "two"]) {
      const { event } = await receive(world, runId, hookId, payload);
      expect(event).toMatchObject({ eventType: "hook_received", correlationId: hookId });
    }
    const payloads = (await log(world, runId)).slice(3).map((event) => {
      return text(dataOf(event)!.payload);
    });
    expect(payloads).toEqual(["one", "two"]);
    expect(await world.hooks.getByToken(token)).toMatchObject({ hookId });
  }),
  rule("hook_disposed ends the hook and frees its token", async ({ world }) => {
    const [runId, next] = [await runningRun(world), await runningRun(world)];
    const { hookId, token } = await newHook(world, runId);
    await append(world, runId, "hook_disposed", { correlationId: hookId });
    expect(await refusal(world.hooks.getByToken(token))).toBe("HookNotFoundError");
    expect((await world.hooks.list({ runId })).data).toEqual([]);
    expect(await refusal(receive(world, runId, hookId, "late"))).toBe("HookNotFoundError");
    const again = append(world, runId, "hook_disposed", { correlationId: hookId });
    expect(["HookNotFoundError", "EntityConflictError"]).toContain(await refusal(again));
    expect((await history(world, runId)).slice(2)).toEqual(["hook_created", "hook_disposed"]);
    const heir = await newHook(world, next, token);
    expect(await world.hooks.getByToken(token)).toMatchObject({ hookId: heir.hookId, runId: next });
  }),
  rule("the end of a run disposes of its hooks and frees their tokens", async ({ world }) => {
    const next = await runningRun(world);
    for (const how of Object.keys(ends)) {
      const runId = await runningRun(world);
      const hooks = [await newHook(world, runId), await newHook(world, runId)];
      await end(world, runId, how);
      expect((await world.hooks.list({ runId })).data).toEqual([]);
      for (const { hookId, token } of hooks) {
        expect(await refusal(world.hooks.getByToken(token)), how).toBe("HookNotFoundError");
        expect(await refusal(receive(world, runId, hookId, "late")), how).toBe("HookNotFoundError");
        const heir = await newHook(world, next, token);
        expect((await world.hooks.getByToken(token)).hookId).toBe(heir.hookId);
      }
    }
  }),
  rule("a hook that does not exist takes nothing", async ({ world }) => {
    const runId = await runningRun(world);
    expect(await refusal(receive(world, runId, newId("hook"), "x"))).toBe("HookNotFoundError");
    const dispose = append(world, runId, "hook_disposed", { correlationId: newId("hook") });
    expect(await refusal(dispose)).toBe("HookNotFoundError");
    expect(await refusal(world.hooks.getByToken(newId("token")))).toBe("HookNotFoundError");
    expect(await history(world, runId)).toEqual(["run_created", "run_started"]);
  }),
  rule("a hook's unknown id is not found", async ({ world }) => {
    expect(await refusal(world.hooks.get(newId("hook")))).toBe("HookNotFoundError");
  }),
  rule("a token may hold any text", async ({ world }) => {
    const runId = await runningRun(world);
    const unique = newId("token");
    const tokens = [
      `${unique}/../../x?y=1&z#h`,
      `${unique} "quoted" 'single' \\back`,
      `${unique}-żółw-🦊-\u202e-ß`,
      `${unique}-${"long".repeat(200)}`,
    ];
    for (const token of tokens) {
      const { hookId } = await newHook(world, runId, token);
      expect(await world.hooks.getByToken(token)).toMatchObject({ hookId, token });
    }
  }),
];

function receive(
  world: Parameters<typeof append>[0],
  runId: string,
  hookId: string,
  payload: string,
): ReturnType<typeof append> {
  const eventData = { payload: bytes(payload) };
  return append(world, runId, "hook_received", { correlationId: hookId, eventData });
}

function forgeConflict(
  world: Parameters<typeof append>[0],
  runId: string,
): ReturnType<typeof append> {
  const eventData = { token: newId("token") };
  return append(world, runId, "hook_conflict", { correlationId: newId("hook"), eventData });
}
