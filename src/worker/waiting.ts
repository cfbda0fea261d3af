import { OrchestratorError } from "../core/errors.ts";
import { firstOf, idleSleep } from "../core/sleep.ts";
import type { Execution } from "../types/conductor.ts";
import type { ConductorDatabase } from "../conductor/database.ts";
import { readExecution } from "../conductor/executions.ts";
import type { Listener } from "../conductor/listener.ts";

/** A look now and then, should news be lost. */
const LOOK_MS = 5000;

const open: ReadonlySet<string> = new Set(["queued", "running"]);

/** An execution once it has ended. */
export async function waitForEnd(
  { database, listener }: { database: ConductorDatabase; listener: Listener },
  id: string,
  signal?: AbortSignal,
): Promise<Execution> {
  let tell = (): void => undefined;
  const subscription = listener.subscribe(
    ({ ended }) => ended === id && tell(),
    () => tell(),
  );
  try {
    await firstOf(signal, () => subscription.ready);
    for (;;) {
      signal?.throwIfAborted();
      const news = new Promise<void>((resolve) => (tell = resolve));
      const execution = await readExecution(database, id);
      if (!execution) {
        throw new OrchestratorError("UNKNOWN_EXECUTION", `There is no execution ${id}`);
      }
      if (!open.has(execution.status)) return execution;
      await firstOf(
        signal,
        () => news,
        // Kept alive by the connection that listens.
        (over) => idleSleep(LOOK_MS, over),
      );
    }
  } finally {
    subscription.off();
  }
}
