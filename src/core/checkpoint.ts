import { OrchestratorError } from "./errors.ts";

/** The largest values a checkpoint may have. */
export const checkpointLimits: {
  /** Characters of its type. */
  readonly type: number;
  /** Characters of its data as JSON. */
  readonly data: number;
} = { type: 200, data: 65_536 };

/** Why a checkpoint's type is none; undefined for one that is. */
export function typeProblem(type: unknown): string | undefined {
  if (typeof type !== "string") return "must be a text";
  if (type.trim() === "" || type.length > checkpointLimits.type) {
    return `must have 1 to ${checkpointLimits.type} characters`;
  }
  return /[\p{Cc}\p{Cs}]/u.test(type) ? "must not contain control characters" : undefined;
}

/** Why a checkpoint's data cannot be kept; undefined where it can. */
export function dataProblem(data: unknown): string | undefined {
  if (data === undefined) return undefined;
  let text: string | undefined;
  try {
    text = JSON.stringify(data);
  } catch (error) {
    return `must be JSON: ${(error as Error).message}`;
  }
  if (text === undefined) return "must be JSON";
  if (text.length <= checkpointLimits.data) return undefined;
  return `must have at most ${checkpointLimits.data} characters as JSON (got ${text.length})`;
}

/**
 * Refuses what a workflow or a step cannot post as a checkpoint.
 *
 * @throws OrchestratorError `CONFIG_INVALID`, which names the argument
 */
export function assertCheckpoint(caller: string, type: unknown, data?: unknown): void {
  const problems = { type: typeProblem(type), data: dataProblem(data) };
  for (const [argument, problem] of Object.entries(problems)) {
    if (problem === undefined) continue;
    throw new OrchestratorError("CONFIG_INVALID", `${caller}: ${argument} ${problem}`);
  }
}
