import type { ConductorLogger } from "../types/conductor.ts";

const levels = ["debug", "info", "warn", "error"] as const;

/** A log of JSON lines on stdout, without `debug`. */
export function createConductorLog(): ConductorLogger {
  const write = (level: string, message: string, fields?: Record<string, unknown>): void =>
    console.log(JSON.stringify({ level, time: new Date().toISOString(), ...fields, message }));
  return {
    debug: () => undefined,
    info: (message, fields) => write("info", message, fields),
    warn: (message, fields) => write("warn", message, fields),
    error: (message, fields) => write("error", message, fields),
  };
}

/** The same log, with these fields in each line. One that throws is nobody's failure. */
export function withFields(
  logger: ConductorLogger,
  fields: Record<string, unknown>,
): ConductorLogger {
  const write =
    (level: (typeof levels)[number]) =>
    (message: string, more?: Record<string, unknown>): void => {
      try {
        logger[level](message, { ...fields, ...more });
      } catch {
        // There is nowhere else to say it.
      }
    };
  return { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
}
