import { expect, test } from "vitest";
import { collect, FLOW, openWorld, send, STEP, until } from "./support.ts";

test("of two handlers, the one for the longer prefix is the choice, in whichever order they came", async () => {
  const world = await openWorld();
  const own = collect(world, `${FLOW}ours//`);
  const app = collect(world, FLOW);
  const step = collect(world, STEP);
  const ownStep = collect(world, `${STEP}ours//`);
  await world.start();
  for (const prefix of [FLOW, STEP]) {
    await send(world, `${prefix}ours//run`, { to: `${prefix}ours//run` });
    await send(world, `${prefix}theirs`, { to: `${prefix}theirs` });
  }
  await until(() => own.length + app.length + step.length + ownStep.length === 4);
  const names = [own, app, step, ownStep].map((seen) => seen.map(({ payload }) => payload.to));
  expect(names).toEqual([
    [`${FLOW}ours//run`],
    [`${FLOW}theirs`],
    [`${STEP}theirs`],
    [`${STEP}ours//run`],
  ]);
});

test("a handler that takes requests always does not take those of a longer prefix", async () => {
  const world = await openWorld();
  const app: string[] = [];
  world.registerHandler(
    FLOW,
    async (request) => {
      app.push(request.headers.get("x-vqs-queue-name")!);
      return Response.json({ ok: true });
    },
    { always: true },
  );
  const own = collect(world, `${FLOW}ours//`);
  await world.start();
  await send(world, `${FLOW}ours//run`, { to: `${FLOW}ours//run` });
  await send(world, `${FLOW}theirs`, {});
  await until(() => own.length + app.length === 2);
  expect(own.map(({ payload }) => payload.to)).toEqual([`${FLOW}ours//run`]);
  expect(app).toEqual([`${FLOW}theirs`]);
});
