import type {
  LoadBalancerModule,
  OrchestratorOptions,
  RegistryModule,
} from "../../types/config.ts";

// Stands for `#orchestrator/virtual/options` where no Nitro build made it.

export const options: OrchestratorOptions = undefined as never;
/** The user's own modules that `options` names. */
export const modules: { registry?: RegistryModule; loadBalancer?: LoadBalancerModule } = {};
