import type { createWorld } from "workflow/runtime";
import type { Claim, ClaimedStart } from "../core/claim-start.ts";
import type { RunQuery } from "../types/run-query.ts";

export type { Claim, ClaimedStart };

/** The engine's storage, queue and streams, as its own runtime types them. */
export type World = ReturnType<typeof createWorld>;

/** What storing an event answers: the event and the records it changed. */
export type EventResult = Awaited<ReturnType<World["events"]["create"]>>;
/** A fact of a run's log. */
export type Event = NonNullable<EventResult["event"]>;
export type Run = NonNullable<EventResult["run"]>;
export type Step = NonNullable<EventResult["step"]>;
export type Hook = NonNullable<EventResult["hook"]>;
export type Wait = NonNullable<EventResult["wait"]>;
/** Name of a queue: a prefix and a workflow's or a step's name. */
export type QueueName = Parameters<World["queue"]>[0];
export type QueueOptions = NonNullable<Parameters<World["queue"]>[2]>;
export type QueuePrefix = Parameters<World["createQueueHandler"]>[0];
/** What the engine does with a message; an answer with `timeoutSeconds` asks for it again after that time. */
export type QueueHandler = Parameters<World["createQueueHandler"]>[1];

/** Options of the embedded World. */
export interface EmbeddedWorldOptions {
  /** Folder of the store; created when missing. One process may write to it at a time. */
  dataDir: string;
  /**
   * Reads only, also beside a process that writes: every write is refused and nothing is delivered.
   * @default false
   */
  readOnly?: boolean;
  /** What is kept of runs that have ended; a value may be `Infinity`. */
  retention?: {
    /** Milliseconds after a run's end. @default 2_592_000_000 (30 days) */
    age?: number;
    /** Number of ended runs, the newest. @default 10_000 */
    count?: number;
  };
  /** Steps of one run that execute at the same time; the rest wait their turn. @default 100 */
  stepsPerRun?: number;
  /** Milliseconds until a delivery whose handler threw is tried again. @default 250 doubled each time, at most 60,000 */
  retryDelay?: (attempt: number) => number;
  /**
   * How often a step may be retried, by its name; `undefined` when it is not known here. It decides whether
   * a step that a dead process had begun starts again.
   * @default what the engine's registry of step functions says
   */
  maxRetries?: (stepName: string) => number | undefined;
  /** What `listRuns` finds runs by, beside their workflow and status. */
  labels?: RunLabels;
  /** The time in milliseconds since the epoch. @default Date.now */
  now?: () => number;
}

/** What a run's labels are. */
export interface RunLabels {
  /** Another one than that of the store has the lists by label made anew, as `of` answers otherwise for runs as before. */
  version: number;
  /**
   * Short texts, such as `tag:nightly`, of a run as it was created, as it goes on or as it ended: always the same of
   * the same record. It is asked while the run's change is stored, so it must be quick and must not throw.
   */
  of: (run: Run) => readonly string[];
}

/** A run in a list, without its input and output, and with its labels. */
export interface LabelledRun {
  run: Run;
  labels: readonly string[];
}

/** A page of runs, the newest first. */
export interface LabelledRuns {
  runs: LabelledRun[];
  /** Where the next page begins; absent on the last one. */
  cursor?: string;
}

/** A run that has started or ended. */
export interface RunChange {
  runId: string;
  workflowName: string;
  status: Run["status"];
}

/** How a run ended. */
export interface RunEnd {
  runId: string;
  status: "completed" | "failed" | "cancelled";
}

/** Numbers about a World in use. */
export interface WorldStats {
  /** Ended runs that are kept. */
  endedRuns: number;
  /** Messages that are being delivered. */
  delivering: number;
  /** Messages that wait for a handler, for their run's turn or for a place among its steps. */
  ready: number;
  /** Milliseconds since the epoch at which the next delayed message is due. */
  nextDue: number | undefined;
}

/**
 * The engine's World in one folder and one process.
 *
 * Writes reach the disk in their order, so that a crash undoes the last ones or none. The run's next move may be made
 * before the last is on the disk, but nothing leaves before: an acknowledged event, what a read answers, and a run's
 * end that is announced have been flushed, together with all that was stored before them; and so has
 * `step_started`, with all before it, when a step's code begins.
 */
export interface EmbeddedWorld extends World {
  specVersion: number;
  /**
   * Takes the folder for this process, gives every run that has not ended its wake-up, and begins to deliver.
   * Until then messages are stored and not delivered. Calls while one is under way share its outcome.
   * @throws when another living process has the folder; the message names both
   */
  start(): Promise<void>;
  /** Stops delivering, waits for what is being written, and leaves the folder to others. What was in flight is delivered again by the next `start()`. */
  close(): Promise<void>;
  /**
   * Has messages of a prefix handled by a `fetch`-like function for as long as `createQueueHandler` was not called for
   * it; with `always` also afterwards, for a server in development whose function loads the newest build.
   */
  registerHandler(
    prefix: string,
    handler: (request: Request) => Promise<Response>,
    options?: { always?: boolean },
  ): void;
  /**
   * Starts a run at most once under its claims. `start` gets a World whose `run_created` stores the run and all
   * claims in one transaction, and starts the run with it:
   *
   *     const outcome = await world.claimStart([{ key: `key:${idempotencyKey}`, fingerprint }], async (claiming) => {
   *       const run = await start({ workflowId }, args, { world: claiming });
   *       return run.runId;
   *     });
   *
   * Calls that share a key follow one another; the first creates the run, the rest are answered with it, also after
   * a restart, for as long as the run is kept. When `start` throws before the run is stored, nothing is claimed.
   */
  claimStart(
    claims: readonly Claim[],
    start: (claiming: World) => Promise<string>,
  ): Promise<ClaimedStart>;
  /** The run that a key belongs to. */
  claimed(key: string): string | undefined;
  /**
   * Lists runs by their labels, workflow, status and time. Waits for the lists by label where a World without these
   * labels has written to the folder, as they are made anew then, for which one that reads only is refused.
   */
  listRuns(query: RunQuery): Promise<LabelledRuns>;
  /** Calls back when a run's start or its end is stored; answers with a function that stops it. */
  onRunChange(callback: (change: RunChange) => void): () => void;
  /** The same for ends alone. */
  onRunEnd(callback: (end: RunEnd) => void): () => void;
  /** Removes ended runs beyond the retention, with everything of theirs; answers how many. Runs by itself every hour and as runs end. */
  prune(): Promise<number>;
  /** Counts the stored runs that have not ended, of a workflow or of all. */
  countOpenRuns(workflowName?: string): { pending: number; running: number };
  stats(): WorldStats;
}
