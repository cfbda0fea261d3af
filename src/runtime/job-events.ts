import { entryOf } from "../core/runner-events.ts";
import type { RunnerEvent } from "../types/runner.ts";
import type { Journals } from "./journal.ts";

/** Takes what the runners of one job tell into its run's journal. */
export interface JobEvents {
  onEvent(event: RunnerEvent): void;
  /** Takes no more, and resolves when what was told is stored, or could not be. */
  close(): Promise<void>;
}

/** The events of a job of a run; nothing is kept of them once the run has ended. */
export type OpenJobEvents = (runId: string, jobId: string) => JobEvents;

/** Journals the events of jobs that are executed one by one, and not by a shard. */
export function createJobEvents(
  journals: Journals,
  onRunEnd: (runId: string, callback: () => void) => () => void,
): OpenJobEvents {
  return (runId, jobId) => {
    let open = true;
    let stored: Promise<unknown> = Promise.resolve();
    // Not before there is something to tell: to be told of an end, its run's record is read again and again.
    let off: (() => void) | undefined;
    return {
      onEvent(event) {
        off ??= onRunEnd(runId, () => (open = false));
        if (!open) return;
        // A line that cannot be written must not fail its job.
        stored = journals.append(runId, [entryOf(event, jobId, Date.now())]).catch(() => undefined);
      },
      async close() {
        open = false;
        off?.();
        await stored;
      },
    };
  };
}
