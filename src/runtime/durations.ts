import type { RunnerJob } from "../types/run.ts";
import type { RunnerResult } from "../types/runner.ts";

/** How long runners took when they last ran. */
export interface Durations {
  /** Milliseconds a job will take, as far as its runners are known; 0 for one that is not, or is no valid job. */
  expected(job: RunnerJob): number;
  record(job: RunnerJob, results: readonly RunnerResult[]): void;
}

/** Pairs of a runner and a url that are remembered. */
const REMEMBERED = 10_000;

/** Durations in this process's memory: they only decide what is begun first, so a restart may forget them. */
export function createDurations(): Durations {
  const known = new Map<string, number>();
  const keyOf = (name: string, { url = "" }: RunnerJob): string => `${name} ${url}`;
  return {
    expected(job) {
      let sum = 0;
      // A workflow's jobs are validated one by one, when each is executed.
      const runners = Array.isArray(job.runners) ? job.runners : [];
      for (const runner of runners as (RunnerJob["runners"][number] | null)[]) {
        const name = typeof runner === "string" ? runner : runner?.name;
        sum += known.get(keyOf(String(name), job)) ?? 0;
      }
      return sum;
    },
    record(job, results) {
      for (const { name, durationMs } of results) {
        if (durationMs === undefined) continue;
        const key = keyOf(name, job);
        known.delete(key);
        known.set(key, durationMs);
        if (known.size > REMEMBERED) known.delete(known.keys().next().value!);
      }
    },
  };
}
