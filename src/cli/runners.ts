import { existsSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { resolve } from "pathe";
import { OrchestratorError, reasonOf } from "../core/errors.ts";

/** What is loaded where no file is named, and it is there. */
const DEFAULT_FILE = "runners.mjs";

/** The runner functions of a module, by name; those of `runners.mjs` where no file is named. */
export async function loadRunners(
  file: string | undefined,
): Promise<Record<string, unknown> | undefined> {
  const path = resolve(file ?? DEFAULT_FILE);
  if (!existsSync(path)) {
    if (file === undefined) return undefined;
    throw new OrchestratorError(
      "CONFIG_INVALID",
      `--runners names a file that is not there: ${path}`,
    );
  }
  try {
    return (await import(pathToFileURL(path).href)) as Record<string, unknown>;
  } catch (error) {
    const unknown = (error as { code?: unknown } | null)?.code === "ERR_UNKNOWN_FILE_EXTENSION";
    const reason = unknown
      ? `this Node (${process.version}) loads JavaScript alone; TypeScript needs Node 22.18 or later`
      : reasonOf(error);
    throw new OrchestratorError(
      "CONFIG_INVALID",
      `The runners in ${path} cannot be loaded: ${reason}`,
      {
        cause: error,
      },
    );
  }
}
