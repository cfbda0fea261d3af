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
export type { RedisExecutorConfig } from "../types/config.ts";
export type { WorkAnswer, WorkOrder } from "../types/work.ts";
