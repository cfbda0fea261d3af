import type { LoadBalancer, Server, ServerRegistry } from "./server.ts";

/** Names of the balancers that come with the package. */
export type LoadBalancerType =
  | "least-load"
  | "power-of-two"
  | "random"
  | "round-robin"
  | "sticky"
  | "weighted";

/** On which terms servers join by `POST /servers`. */
export interface JoiningConfig {
  /**
   * Milliseconds between two heartbeats, which servers are told; by default a third of `ttl`, at most 10000.
   * @default 10000
   */
  heartbeat?: number;
  /**
   * Milliseconds without a heartbeat after which a server that joined has left.
   * @default 30000
   */
  ttl?: number;
  /**
   * Lets servers join from anywhere where no API key is set; else only from the same machine.
   * @default false
   */
  open?: boolean;
}

/** Servers kept in the process's memory: those of the list, which stay, and those that join. */
export interface InMemoryRegistryConfig extends JoiningConfig {
  type: "in-memory";
  servers: Server[];
}

/** A driver of unstorage's by name, such as `fs` or `redis`, and its options. */
export interface RegistryStorageConfig {
  driver: string;
  [option: string]: unknown;
}

/** Servers and leases that several orchestrators share through a storage. */
export interface StorageRegistryConfig extends JoiningConfig {
  type: "storage";
  /** Without it `redis` where `ORCHESTRATOR_REDIS_URL` is set, else `fs-lite` in the folder `registry` below the data folder. */
  storage?: RegistryStorageConfig;
  /** Servers that are there from the start, and stay. */
  servers?: Server[];
}

/** A registry written out, a class name (`InMemoryServerRegistry`), or a path to a module of your own. */
export type RegistryConfig = InMemoryRegistryConfig | StorageRegistryConfig | (string & {});

/** A balancer by type or class name (`LeastLoadLoadBalancer`), or a path to a module of your own. */
export type LoadBalancerConfig = { type: LoadBalancerType } | LoadBalancerType | (string & {});

/** A registry as resolved: plain data, or a module to import. */
export type ResolvedRegistry =
  | { type: "env" }
  | ({ type: "in-memory"; servers: Server[] } & JoiningConfig)
  | { type: "module"; path: string }
  /** The servers of `PLAYWRIGHT_RUNNERS`, read at start. */
  | { type: "regions" }
  | StorageRegistryConfig;

/** A balancer as resolved. */
export type ResolvedLoadBalancer =
  | { type: "env" }
  | { type: "module"; path: string }
  | { type: LoadBalancerType };

/** What a module named in `registry` may export as its default. */
export type RegistryModule = ServerRegistry | (() => Promise<ServerRegistry> | ServerRegistry);

/** What a module named in `loadBalancer` may export as its default. */
export type LoadBalancerModule = LoadBalancer | (() => LoadBalancer | Promise<LoadBalancer>);
