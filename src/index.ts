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
  type LoadBalancerReference,
  type RegistryReference,
  selectBestServerStep,
} from "./runtime/workflows/steps.ts";
export type * from "./types/index.ts";
