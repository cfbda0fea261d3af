import type { ConductorLogger } from "../types/conductor.ts";
import type { ConductorDatabase } from "./database.ts";
import type { Listener } from "./listener.ts";

/** What is behind a conductor. */
export interface ConductorParts {
  /** What logs and errors call its Postgres, without a password. */
  place: string;
  database: ConductorDatabase;
  listener: Listener;
  logger: ConductorLogger;
  context: unknown;
  /** Makes the tables that are missing, once. */
  ready(): Promise<void>;
}
