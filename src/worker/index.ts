export { Conductor } from "./conductor.ts";
export { Orchestrator } from "./orchestrator.ts";
export {
  createRunnerWorker,
  type RunnerWorker,
  type RunnerWorkerOptions,
} from "./runner-worker.ts";
export type {
  OrderOutcome,
  SourceWorker,
  TakeOrder,
  WorkSource,
  WorkSourceOwner,
} from "./source.ts";
export type { WorkerLog } from "./log.ts";
export type {
  ConductorLogger,
  ConductorOptions,
  CronEvent,
  CronTrigger,
  Execution,
  ExecutionStatus,
  InvocableTrigger,
  InvokeEvent,
  InvokeOptions,
  OrchestratorCreateOptions,
  OrchestratorInfo,
  PostgresClient,
  PostgresPool,
  QueueWorker,
  Task,
  TaskContext,
  TaskDefinition,
  TaskHandler,
  TaskOptions,
  TaskReference,
  TaskTrigger,
  WaitOptions,
  WorkerConfig,
} from "../types/conductor.ts";
export type { RedisExecutorConfig } from "../types/config.ts";
export type { WorkAnswer, WorkOrder } from "../types/work.ts";
