import { hasEnded } from "../core/run-state.ts";
import { getRun } from "workflow/api";
import { getWorld } from "workflow/runtime";
import type { RunEngine, RunRecord } from "../types/engine.ts";
import { readStored, stateOfStatus, type World } from "./engine-world.ts";
import { listenTo, type RunWatchers } from "./run-watchers.ts";
import type { Starts } from "./starts.ts";

/** How often a run is read anew while somebody waits, for an end that another process brought about. */
const REREAD_MS = 1000;

/**
 * The `workflow` package behind our port.
 *
 * @param closing ends every wait, when the process is to end
 */
export function createEngine(starts: Starts, ends: RunWatchers, closing: AbortSignal): RunEngine {
  async function wait(
    runId: string,
    ms: number,
    caller?: AbortSignal,
  ): Promise<RunRecord | undefined> {
    // Not by the clock that may be set.
    const deadline = performance.now() + ms;
    const end = listenTo(ends, runId, [caller, closing]);
    try {
      for (;;) {
        // Before reading, so that no end falls between the two.
        end.reset();
        const run = await readRun(runId);
        const left = deadline - performance.now();
        const over = !run || hasEnded(run.state);
        if (over || left <= 0 || caller?.aborted || closing.aborted) return run;
        await end.within(Math.min(left, REREAD_MS));
      }
    } finally {
      end.stop();
    }
  }

  return {
    start: starts.start,
    read: readRun,
    wait,
  };
}

/** Whether a run has ended, as its record says. */
export async function readEnded(world: World, runId: string): Promise<boolean> {
  const { status } = await world.runs.get(runId, { resolveData: "none" });
  return status !== "pending" && status !== "running";
}

/** Whether a text can be a run's id of the engine's; anything else must not reach a path or a query. */
export function isRunId(text: string): boolean {
  return /^wrun_[0-9A-HJKMNP-TV-Z]{26}$/.test(text);
}

async function readRun(runId: string): Promise<RunRecord | undefined> {
  if (!isRunId(runId)) return undefined;
  const run = await readStored(getWorld(), runId);
  if (!run) return undefined;
  const state = stateOfStatus[run.status];
  return {
    runId,
    workflowId: run.workflowName,
    state,
    ...(state === "completed" && { output: await getRun(runId).returnValue }),
    ...(state === "failed" && { error: run.error?.message ?? "unknown error" }),
  };
}
