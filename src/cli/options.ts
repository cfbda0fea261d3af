import type { ArgsDef } from "citty";
import { OrchestratorError } from "../core/errors.ts";

/**
 * A command's options as they were given: known ones alone, each with a value.
 *
 * @param mayBeEmpty options to which an empty text says something
 * @throws OrchestratorError `CONFIG_INVALID`
 */
export function readOptions(
  command: string,
  options: ArgsDef,
  args: Record<string, unknown>,
  mayBeEmpty: readonly string[] = [],
): Record<string, string | undefined> {
  const { _: words, ...given } = args;
  const read: Record<string, string> = {};
  for (const [name, value] of Object.entries(given)) {
    const known = Object.keys(options).find((key) => key === kebabOf(name));
    if (known === undefined) {
      const names = Object.keys(options).map((key) => `--${key}`);
      throw invalid(`Unknown option --${name}. Known: ${names.join(", ")}`);
    }
    if (typeof value !== "string" || (value === "" && !mayBeEmpty.includes(known))) {
      throw invalid(`--${known} needs a value`);
    }
    read[known] = value;
  }
  const [word] = words as string[];
  if (word !== undefined) throw invalid(`\`orchestrator ${command}\` takes no "${word}"`);
  return read;
}

/** The whole number that an option or a variable is. */
export function numberOf(name: string, text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  throw invalid(`${name} must be a whole number (got "${text}")`);
}

/** The error of a command that was not given what it needs. */
export function invalid(message: string): OrchestratorError {
  return new OrchestratorError("CONFIG_INVALID", message);
}

/** citty has an option of two words in both spellings. */
function kebabOf(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
