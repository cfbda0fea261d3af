import { createRequire } from "node:module";
import { join } from "node:path";
import { OrchestratorError } from "../core/errors.ts";

/** The package `pg`. */
export type Pg = typeof import("pg");

/** The engine's package for Postgres. */
export const engineWorld = "@workflow/world-postgres";

const WORLD = "The World on Postgres";

/**
 * The package `pg`, of the app's own install or of the engine's World for Postgres.
 *
 * @throws OrchestratorError `CONFIG_INVALID`, where there is none
 */
export function requirePg(): Pg {
  for (const require of installs()) {
    if (canResolve(require, "pg")) return require("pg") as Pg;
  }
  for (const require of installs()) {
    if (!canResolve(require, engineWorld)) continue;
    const inner = createRequire(require.resolve(engineWorld));
    if (canResolve(inner, "pg")) return inner("pg") as Pg;
  }
  // Which brings `pg` along.
  throw notInstalled(engineWorld, WORLD);
}

/**
 * Resolves and loads from where the engine's World for Postgres is, its own dependencies too.
 *
 * @throws OrchestratorError `CONFIG_INVALID`, where it is not installed
 */
export function requireFromEngineWorld(): NodeJS.Require {
  for (const require of installs()) {
    if (canResolve(require, engineWorld)) return createRequire(require.resolve(engineWorld));
  }
  throw notInstalled(engineWorld, WORLD);
}

/** The app's install, which a bundle of it leaves outside, and the one that this file is in. */
function installs(): NodeJS.Require[] {
  return [createRequire(join(process.cwd(), "package.json")), createRequire(import.meta.url)];
}

function canResolve(require: NodeJS.Require, name: string): boolean {
  try {
    require.resolve(name);
    return true;
  } catch (error) {
    if ((error as { code?: unknown } | null)?.code !== "MODULE_NOT_FOUND") throw error;
    return false;
  }
}

function notInstalled(name: string, what: string): OrchestratorError {
  return new OrchestratorError(
    "CONFIG_INVALID",
    `${what} needs the package ${name}. Install it with \`npm install ${name}\`.`,
  );
}
