import {
  bytesOf,
  checkCheckpoint,
  createEventBounds,
  cutMessage,
  eventLimits,
} from "../core/runner-events.ts";
import type { RunnerContext, RunnerEvent } from "../types/index.ts";
import { logLine, logMeta, type LogOrigin } from "./log.ts";

/** What the runners of one execution tell, within its limits. */
export interface ExecutionEvents {
  /** How a runner tells something. */
  of(runner: string): Pick<RunnerContext, "checkpoint" | "log">;
  /** Tells how much was dropped, if any; what comes later is told to nobody. */
  close(): void;
}

/** Prints what is logged, and passes all events on as they come. */
export function createExecutionEvents(
  origin: Omit<LogOrigin, "runner">,
  onEvent?: (event: RunnerEvent) => void,
): ExecutionEvents {
  const bounds = createEventBounds();
  let open = onEvent !== undefined;
  let dropping: string | undefined;

  function tell(event: RunnerEvent): void {
    if (!open) return;
    if (bounds.admit(event, bytesOf(JSON.stringify(event)))) onEvent?.(event);
    else dropping = event.runner;
  }

  return {
    of: (runner) => ({
      log(message, meta) {
        console.log(logLine({ runner, ...origin }, message, meta));
        if (!open) return;
        const sent = logMeta(meta);
        tell({
          event: "log",
          at: Date.now(),
          message: cutMessage(String(message)),
          ...(sent && { meta: sent }),
          runner,
        });
      },
      checkpoint(type, data) {
        const checked = checkCheckpoint(type, data);
        tell({ event: "checkpoint", id: crypto.randomUUID(), at: Date.now(), ...checked, runner });
      },
    }),
    close() {
      if (open && dropping !== undefined) {
        const message = droppedMessage(bounds.dropped);
        console.log(logLine({ runner: dropping, ...origin }, message));
        onEvent?.({ event: "log", at: Date.now(), message, runner: dropping });
      }
      open = false;
    },
  };
}

function droppedMessage({ checkpoints, logs }: { checkpoints: number; logs: number }): string {
  const { bytes } = eventLimits;
  return `Dropped ${logs} log lines and ${checkpoints} checkpoints: an execution may tell ${eventLimits.logs} and ${eventLimits.checkpoints}, of ${bytes} bytes in all`;
}
