import { expect, test } from "vitest";
import { createDurations } from "../../src/runtime/durations.ts";
import { createShards } from "../../src/runtime/shards.ts";
import type { Journals } from "../../src/runtime/journal.ts";
import type { JournalEntry, RunnerJob } from "../../src/types/run.ts";
import type { ShardRequest } from "../../src/types/shard.ts";
import { settled } from "../core/clock.ts";
import { watch } from "../core/dispatcher.ts";

/** Shards whose jobs end when the test says so, over a journal that fails when it says so. */
function setup() {
  const stored: JournalEntry[] = [];
  const running = new Map<string, () => void>();
  const started: string[] = [];
  const disk = { full: false };
  const journals: Journals = {
    async append(_runId, entries) {
      if (disk.full) throw new Error("disk full");
      stored.push(...entries);
    },
    read: async () => ({ entries: [...stored], cursor: { seen: 0 } }),
  };
  const run = async (_job: RunnerJob, { jobId }: { jobId: string }) => {
    started.push(jobId);
    await new Promise<void>((resolve) => running.set(jobId, resolve));
    running.delete(jobId);
    return { jobId, server: "s", results: [], attempts: [], durationMs: 1 };
  };
  const shards = createShards({
    journals,
    runners: { local: run, remote: run },
    durations: createDurations(),
    onRunEnd: () => () => {},
  });
  const end = async (jobId: string): Promise<void> => {
    running.get(jobId)!();
    await settled();
  };
  return { shards, started, running, disk, end };
}

const request: ShardRequest = {
  jobs: ["a", "b", "c"].map((id) => ({ id, runners: ["x"] })),
  mode: "remote",
  group: 0,
  window: 2,
  collect: false,
};

test("a journal that cannot be written: nothing more is sent, and the shard ends when nothing is in flight", async () => {
  const { shards, started, running, disk, end } = setup();
  const first = watch(shards.execute("r", request));
  await settled();
  expect([...running.keys()]).toEqual(["a", "b"]);
  disk.full = true;
  await end("a");
  expect(first).toEqual({});
  disk.full = false;
  await end("b");
  expect(first.error?.message).toBe("disk full");
  expect(started).toEqual(["a", "b"]);
  // The engine tries again: what was stored is not sent again.
  const second = watch(shards.execute("r", request));
  await settled();
  expect([...running.keys()]).toEqual(["a", "c"]);
  await end("a");
  await end("c");
  expect(second.value?.counts).toMatchObject({ total: 3, completed: 3 });
});
