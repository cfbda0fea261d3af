import type { StandardSchema } from "./manifest.ts";

/** A connection as we use it: what a client of `pg` has. */
export interface PostgresClient {
  query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>;
  on(event: string, listener: (...args: any[]) => void): unknown;
  off(event: string, listener: (...args: any[]) => void): unknown;
  /** @param error whether the connection is to be closed instead of kept */
  release(error?: boolean): void;
}

/** A pool as we use it: what a `Pool` of `pg` has. */
export interface PostgresPool {
  readonly options?: { readonly max?: number };
  query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>;
  connect(): Promise<PostgresClient>;
  on(event: string, listener: (...args: any[]) => void): unknown;
  off(event: string, listener: (...args: any[]) => void): unknown;
  end(): Promise<void>;
}

/** Where a conductor and its tasks write what they note; `console` is one. */
export interface ConductorLogger {
  debug(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}

/** A task is started by `conductor.invoke`. */
export interface InvocableTrigger {
  invocable: true;
}

/** A task is started by the clock. */
export interface CronTrigger {
  /** Five fields: minute, hour, day of month, month, day of week, in UTC. */
  cron: string;
  /** What the event is called. */
  name: string;
}

export type TaskTrigger = InvocableTrigger | CronTrigger;

/** Why a task runs: it was invoked. */
export interface InvokeEvent<Payload = unknown> {
  name: "invoke";
  payload: Payload;
}

/** Why a task runs: its time has come. */
export interface CronEvent {
  /** The name of the trigger. */
  name: string;
  /** The minute it was due, as an ISO time. */
  scheduledAt: string;
}

/** What a task's handler gets beside its event. */
export interface TaskContext<Context = unknown> {
  /** Id of the execution. */
  readonly executionId: string;
  /** 1 for the first try. */
  readonly attempt: number;
  /** Aborts when the execution is cancelled, and when another process has taken it over. */
  readonly signal: AbortSignal;
  /** Writes lines that name the task and the execution. */
  readonly logger: ConductorLogger;
  /** What the conductor was created with. */
  readonly context: Context;
  /**
   * Runs something once in the whole life of the execution and answers with its result, which must be JSON, on
   * every later try. Its name must be its own within the execution.
   */
  step<T>(name: string, work: () => Promise<T> | T): Promise<T>;
  /** Lets go of the execution here where the process is to end or the execution was cancelled. */
  checkpoint(): Promise<void>;
  /**
   * Goes on after that many milliseconds, on a process that is then there. Until then it takes up no slot: what
   * the handler has open is not closed, so open and close within a step.
   */
  sleep(id: string, ms: number): Promise<void>;
}

/** What a task does. What it answers must be JSON. */
export type TaskHandler<Event, Context = unknown, Result = unknown> = (
  event: Event,
  ctx: TaskContext<Context>,
) => Promise<Result> | Result;

export interface TaskOptions {
  name: string;
  /** @default "default" */
  queue?: string;
  /**
   * Tries until the execution has failed, 15, 30 and then 60 seconds apart.
   *
   * @default 3
   */
  maxAttempts?: number;
  /** How many executions run at the same time, over all processes. No limit without it. */
  concurrency?: number;
}

/** A task as `conductor.createTask` answers it. */
export interface Task<Payload = unknown, Result = unknown> {
  readonly name: string;
  readonly queue: string;
  readonly maxAttempts: number;
  readonly concurrency?: number;
  readonly triggers: readonly TaskTrigger[];
  readonly handler: TaskHandler<never, never, Result>;
  /** Of types only, never there. */
  readonly _payload?: (payload: Payload) => void;
}

/** A task that another process may have, by its name. */
export interface TaskReference {
  name: string;
  /** @default "default" */
  queue?: string;
  /** @default that of the worker's task */
  maxAttempts?: number;
}

/** A task as it is declared to a conductor. */
export interface TaskDefinition {
  name: string;
  /** @default "default" */
  queue?: string;
  /** What its payload must be. */
  payload?: StandardSchema;
}

export interface InvokeOptions {
  /** While an execution of the task with this key is queued or running, it is the one that is answered. */
  dedupeKey?: string;
  /**
   * From -32767 to 32767; the higher first.
   *
   * @default 0
   */
  priority?: number;
  /** Not before then. */
  runAt?: Date;
}

export type ExecutionStatus = "queued" | "running" | "completed" | "failed" | "canceled";

/** One execution of a task. */
export interface Execution {
  id: string;
  task: string;
  queue: string;
  /** `queued` also while it sleeps, or waits for its next try. */
  status: ExecutionStatus;
  /** Tries that were begun; one that a sleep, a stop or a crash ended does not count. */
  attempts: number;
  /** Left out where the worker's task says, as whoever queued it gave its name alone. */
  maxAttempts?: number;
  priority: number;
  payload: unknown;
  /** What the handler answered. */
  result?: unknown;
  /** Why the last try that failed did so. */
  lastError?: string;
  /** Not before then, as an ISO time. */
  runAt: string;
  createdAt: string;
  startedAt?: string;
  endedAt?: string;
}

export interface WorkerConfig {
  /**
   * Executions at the same time.
   *
   * @default 10
   */
  concurrency?: number;
  /**
   * Milliseconds until the queue is looked at again; new executions are told of, so it counts for those whose time
   * has come.
   *
   * @default 1000
   */
  pollIntervalMs?: number;
  /**
   * Milliseconds in which deliveries that are done are gathered, to be removed from the queue at once. How an
   * execution ended is stored without delay.
   *
   * @default 2000
   */
  flushIntervalMs?: number;
  /**
   * Executions taken from the queue in one go.
   *
   * @default 10
   */
  fetchBatchSize?: number;
}

/** A queue's worker as `conductor.createWorker` answers it. */
export interface QueueWorker {
  readonly queue: string;
  readonly tasks: readonly Task<never>[];
  readonly config: Required<WorkerConfig>;
}

export interface ConductorOptions<Context = unknown> {
  /** Where Postgres is; we open the connections, and `conductor.close()` ends them. */
  connectionString?: string;
  /** A `Pool` of `pg`, which stays yours to end. */
  pool?: PostgresPool;
  /** The tasks there are, also in other processes. Others are then refused. */
  tasks?: readonly TaskDefinition[];
  /** What handlers get as `ctx.context`. */
  context?: Context;
  /** JSON lines on stdout without it. */
  logger?: ConductorLogger;
}

export interface WaitOptions {
  /** Gives up with the signal's reason. */
  signal?: AbortSignal;
}

/** Tasks, and a connection to the Postgres where their executions are. */
export interface Conductor<Context = unknown> {
  createTask<Payload = unknown, Result = unknown>(
    options: TaskOptions,
    trigger: InvocableTrigger,
    handler: TaskHandler<InvokeEvent<Payload>, Context, Result>,
  ): Task<Payload, Result>;
  createTask<Result = unknown>(
    options: TaskOptions,
    trigger: CronTrigger,
    handler: TaskHandler<CronEvent, Context, Result>,
  ): Task<never, Result>;
  createTask<Payload = unknown, Result = unknown>(
    options: TaskOptions,
    triggers: readonly TaskTrigger[],
    handler: TaskHandler<InvokeEvent<Payload> | CronEvent, Context, Result>,
  ): Task<Payload, Result>;
  createWorker(options: {
    queue: string;
    tasks: readonly Task<never>[];
    config?: WorkerConfig;
  }): QueueWorker;
  /** Queues an execution, and answers with its id. */
  invoke<Payload>(
    task: Task<Payload> | TaskReference,
    payload?: Payload,
    options?: InvokeOptions,
  ): Promise<string>;
  /** Cancels an execution; false where there is none that is queued or running. */
  cancel(executionId: string): Promise<boolean>;
  /** An execution as it is now. */
  execution(executionId: string): Promise<Execution | undefined>;
  /** An execution once it has ended, however it did. */
  ended(executionId: string, options?: WaitOptions): Promise<Execution>;
  /** Lets go of all connections that are ours. */
  close(): Promise<void>;
}

export interface OrchestratorCreateOptions {
  /** One from `Conductor.create`, whatever its context. */
  conductor: Omit<Conductor, "createTask">;
  /** Tasks of the queue `default`. */
  tasks?: readonly Task<never>[];
  /** Workers of other queues. */
  workers?: readonly QueueWorker[];
  /** Figures of the worker that has `tasks`. */
  defaultWorker?: WorkerConfig;
}

export interface OrchestratorInfo {
  /** A UUID. */
  readonly id: string;
  readonly isRunning: boolean;
  readonly isShuttingDown: boolean;
  readonly isStopped: boolean;
  /** The workers with the figures they have. */
  readonly workers: readonly (Omit<QueueWorker, "tasks"> & { readonly tasks: readonly string[] })[];
}

/** A process's workers, from start to stop. */
export interface Orchestrator {
  /** Ensures the schema, starts the workers, hears SIGTERM and SIGINT; resolves when they look for work. */
  start(): Promise<void>;
  /** Takes no new work, lets what runs go on to its next checkpoint, and lets go of everything. */
  stop(): Promise<void>;
  /** Starts, works until nothing is due, and stops. What is due later, also a next try, is not waited for. */
  drain(): Promise<void>;
  /** Resolves when it has stopped, by `stop` or a signal. */
  readonly stopped: Promise<void>;
  readonly info: OrchestratorInfo;
}
