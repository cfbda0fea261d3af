import type { ErrorCode } from "../../../src/core/errors.ts";
import type { Executor } from "../../../src/types/executor.ts";
import type { Server } from "../../../src/types/server.ts";

/** The suite's cases. */
export type CaseName =
  | "an aborted attempt that nobody has begun is taken back"
  | "an answer that is too large is refused"
  | "an attempt handed in twice is executed once"
  | "an attempt that ended is answered from the first"
  | "an input that violates its schema is refused as the contract has it"
  | "an order that is too large is refused"
  | "an unknown runner is refused as the contract has it"
  | "attempts under way survive a backend that goes and comes back"
  | "a backend that stays away is told as such"
  | "a failing result is a result"
  | "a worker that dies is noticed within 15 seconds"
  | "a worker that stops gives back what it cannot end"
  | "aborting an attempt aborts its runner"
  | "another process joins an attempt under way"
  | "attempts go to workers of their region"
  | "results come as they are"
  | "what runners tell comes in order, and each once"
  | "without a worker it waits, and then says so"
  | "an attempt's time is up";

/** An executor to test. */
export interface ExecutorFixture {
  name: string;
  /** Whether workers pull, and say which has begun an attempt. */
  pulls: boolean;
  /** Why a runner goes on whose attempt is given up, if it does. */
  goesOn?: string;
  /** What an attempt is rejected with whose worker died. */
  crash: ErrorCode;
  /** Why a case is not for this executor. */
  differences: Partial<Record<CaseName, string>>;
  open(): Promise<Subject>;
}

/** An executor on a backend of the test's own. */
export interface Subject {
  executor: Executor;
  /** One more on the same backend, as another process has it. */
  another(): Promise<Executor>;
  /** Starts a process with the runners of `runners.ts`, 20 attempts at once; resolves once it takes those of its region. */
  startWorker(region: string): Promise<TestWorker>;
  /** Where attempts of a region go. */
  serverOf(region: string): Server;
  /** Ends the backend. What it stored it keeps. */
  breakBackend(): Promise<void>;
  restoreBackend(): Promise<void>;
  close(): Promise<void>;
}

/** A process that executes. */
export interface TestWorker {
  /** All it has printed. */
  output(): string;
  /** By SIGTERM; resolves with its exit code. */
  stop(): Promise<unknown>;
  /** By SIGKILL. */
  kill(): Promise<unknown>;
}
