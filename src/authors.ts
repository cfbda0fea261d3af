export { type JobOutcome, aggregateResults } from "./core/aggregate.ts";
export {
  type ErrorCode,
  type ErrorData,
  OrchestratorError,
  isOrchestratorError,
} from "./core/errors.ts";
export {
  LeastLoadLoadBalancer,
  PowerOfTwoLoadBalancer,
  RandomLoadBalancer,
  RoundRobinLoadBalancer,
  StickyLoadBalancer,
  WeightedLoadBalancer,
} from "./core/load-balancer.ts";
export {
  InMemoryServerRegistry,
  type InMemoryServerRegistryOptions,
} from "./core/server-registry.ts";
export { mapSettled } from "./core/window.ts";
export {
  executeRunnerStep,
  findAvailableServersStep,
  getDefaultLoadBalancer,
  getDefaultRegistry,
  selectBestServerStep,
} from "./runtime/workflows/steps.ts";
export {
  type AwaitCheckpointOptions,
  awaitCheckpoint,
  checkpoint,
} from "./runtime/workflows/checkpoints.ts";
export { type FanOutExecutor, type FanOutOptions, fanOut } from "./runtime/workflows/fan-out.ts";
export type { LoadBalancerReference, RegistryReference } from "./runtime/workflows/references.ts";
export type * from "./types/index.ts";
