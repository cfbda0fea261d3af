import { keys } from "./keys.ts";
import type { Fact } from "./records.ts";
import type { Store, Write } from "./store.ts";

/** The events of runs, kept in memory while a run is replayed again and again. */
export interface EventLog {
  /** A run's events from the first to the last. */
  read(runId: string): readonly Fact[];
  /** The changes of the store that append facts. */
  writes(facts: readonly Fact[]): Write[];
  /** Notes facts whose changes have been written. */
  append(facts: readonly Fact[]): void;
  /** Lets go of a run's events, which stay in the store. */
  forget(runId: string): void;
}

/** Events kept in memory over all runs; beyond that the run used longest ago is let go. */
const MAX_KEPT = 50_000;

/** The log in a store. */
export function createLog(store: Store): EventLog {
  /** The runs used last stand last. */
  const kept = new Map<string, Fact[]>();
  let count = 0;

  const stored = (runId: string): Fact[] =>
    [...store.range<Fact>({ prefix: keys.events(runId) })].map(({ value }) => value);

  function forget(runId: string): void {
    count -= kept.get(runId)?.length ?? 0;
    kept.delete(runId);
  }

  function keep(runId: string, facts: Fact[]): void {
    kept.set(runId, facts);
    count += facts.length;
    for (const [oldest] of kept) {
      if (count <= MAX_KEPT || oldest === runId) break;
      forget(oldest);
    }
  }

  return {
    read(runId) {
      const facts = kept.get(runId) ?? stored(runId);
      forget(runId);
      keep(runId, facts);
      return facts;
    },
    writes: (facts) =>
      facts.flatMap((fact): Write[] => [
        { key: keys.event(fact.runId, fact.eventId), value: fact },
        ...(fact.correlationId !== undefined && !fact.eventType.endsWith("_started")
          ? [{ key: keys.correlation(fact.correlationId, fact.runId), value: true }]
          : []),
      ]),
    append(facts) {
      for (const fact of facts) {
        const known = kept.get(fact.runId);
        if (fact.eventType === "run_created") keep(fact.runId, [fact]);
        else if (known) {
          known.push(fact);
          count++;
        }
      }
    },
    forget,
  };
}
