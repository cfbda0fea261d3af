import { pino } from "pino";
import { OrchestratorError } from "../core/errors.ts";
import type { Log, LogLevel } from "../types/observe.ts";

/** A log whose level is set once the environment is known to be right. */
export interface LeveledLog extends Log {
  level: string;
}

const levels: readonly LogLevel[] = ["trace", "debug", "info", "warn", "error", "fatal", "silent"];

/** A log of JSON lines on stdout, of warnings and worse until its level is set. */
export function createLog(): LeveledLog {
  return pino(
    {
      level: "warn" satisfies LogLevel,
      base: null,
      formatters: { level: (level) => ({ level }) },
      timestamp: pino.stdTimeFunctions.isoTime,
    },
    // Written in the background: a reader that is slow must not hold up requests.
    pino.destination({ fd: 1, sync: false }),
  );
}

/**
 * The level that `ORCHESTRATOR_LOG_LEVEL` names, else `info` for a service and `warn` inside an app.
 *
 * @throws OrchestratorError `CONFIG_INVALID`
 */
export function logLevel(env: Record<string, string | undefined>, service: boolean): LogLevel {
  const given = env.ORCHESTRATOR_LOG_LEVEL;
  if (!given) return service ? "info" : "warn";
  const level = levels.find((one) => one === given.toLowerCase());
  if (level) return level;
  throw new OrchestratorError(
    "CONFIG_INVALID",
    `ORCHESTRATOR_LOG_LEVEL must be one of ${levels.join(", ")} (got "${given}")`,
  );
}
