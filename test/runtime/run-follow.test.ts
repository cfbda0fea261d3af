import { expect, test } from "vitest";
import { followRun } from "../../src/runtime/run-follow.ts";
import { createRunWatchers } from "../../src/runtime/run-watchers.ts";
import type { FollowOptions, RunEvent } from "../../src/types/service.ts";
import { createRun, openWorld } from "../world/support.ts";
import { journalsOn } from "./support.ts";

/** Follows an ended run of so many checkpoints, a chunk each; counts the pages that are read. */
async function follow(count: number, options: Partial<FollowOptions>) {
  const world = await openWorld();
  const runId = await createRun(world);
  const journals = journalsOn(world);
  for (let index = 0; index < count; index++) {
    const entry = { type: "checkpoint", id: `c${index}`, at: index, kind: "step" } as const;
    await journals.append(runId, [entry]);
  }
  const gone = new AbortController();
  let pages = 0;
  const events = followRun(
    {
      journals: {
        async *pages(...args) {
          for await (const page of journals.pages(...args)) {
            pages++;
            yield page;
          }
        },
      },
      news: createRunWatchers(),
      stateOf: async () => "completed",
      jobsOf: async () => [],
      reread: 60_000,
    },
    { runId, id: runId },
    { replay: 100, signal: gone.signal, ...options },
  );
  return { events, gone, pages: () => pages };
}

test("who goes away half-way has nothing read any more, and no end told that was not reached", async () => {
  // From the start, since what is told begins behind this time.
  const { events, gone, pages } = await follow(200, { after: "1969-12-31T00:00:00.000Z" });
  const told: RunEvent["event"][] = [];
  for await (const { event } of events) {
    told.push(event);
    if (told.length === 3) gone.abort();
  }
  expect(told).toEqual(["checkpoint", "checkpoint", "checkpoint"]);
  expect(pages()).toBe(1);
});

test("who has gone before anything is told costs no more than a page", async () => {
  const { events, gone, pages } = await follow(200, {});
  gone.abort();
  expect(await events.next()).toMatchObject({ done: true });
  expect(pages()).toBeLessThanOrEqual(1);
});
