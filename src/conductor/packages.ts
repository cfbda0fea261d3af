import { OrchestratorError } from "../core/errors.ts";

// Plain imports of literals, so that a bundler traces a package where it is installed.

/** The package `pg`, which is there only where it is installed. */
export async function importPg(): Promise<typeof import("pg")> {
  try {
    return await import("pg");
  } catch (error) {
    throw missing(error);
  }
}

/** The error for a package that is not installed; any other error as it is. */
function missing(error: unknown): unknown {
  if ((error as { code?: unknown } | null)?.code !== "ERR_MODULE_NOT_FOUND") return error;
  return new OrchestratorError(
    "CONFIG_INVALID",
    "A queue on Postgres needs the packages pg and graphile-worker. Install them with `npm install pg graphile-worker`.",
    { cause: error },
  );
}

/** The package `graphile-worker`, which is there only where it is installed. */
export async function importGraphile(): Promise<typeof import("graphile-worker")> {
  try {
    return await import("graphile-worker");
  } catch (error) {
    throw missing(error);
  }
}
