import type { RunnerEvent } from "../types/runner.ts";
import type { WorkAnswer, WorkOrder } from "../types/work.ts";

/** What became of an order at a worker. */
export type OrderOutcome =
  /** It is executed; its answer may be an error of the contract. */
  | { kind: "answered"; answer: WorkAnswer }
  /** The order's own time was up. */
  | { kind: "timed-out" }
  /** The source aborted it: nobody waits for it any more. */
  | { kind: "aborted" }
  /** The worker stops: another is to have it. */
  | { kind: "returned" };

/** Executes an order that the source has claimed; never rejects. */
export type TakeOrder = (
  order: WorkOrder,
  options: { signal: AbortSignal; onEvent: (event: RunnerEvent) => void },
) => Promise<OrderOutcome>;

/** Who asks a source for orders. */
export interface SourceWorker {
  /** What answers and logs call it. */
  id: string;
  /** Whose orders it takes; `""` for those without a region. */
  region: string;
  /** Orders at once, at most. */
  concurrency: number;
  take: TakeOrder;
  /** Takes down what an operator should know of. */
  note: (message: string, fields?: Record<string, unknown>) => void;
}

/**
 * Where a worker pulls its orders from.
 *
 * An adapter must claim each order for one worker alone, must say that its worker lives for as long as it
 * does, must pass on what `take` tells and what it comes to, and must put an order back that is `returned`.
 */
export interface WorkSource {
  /** What the start says it pulls from, without a password. */
  readonly place: string;
  /** Begins to pull; rejects where that cannot be. */
  start(worker: SourceWorker): Promise<void>;
  /** Claims no more orders. Those that are claimed go on. */
  pause(): Promise<void>;
  /** Lets go of everything, once `take` has settled for every order. */
  close(): Promise<void>;
}

/** What may stand as `conductor` in the options of a runner worker. */
export interface WorkSourceOwner {
  workSource(): WorkSource;
}
