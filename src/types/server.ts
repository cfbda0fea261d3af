/** A runner host that jobs can be sent to. */
export interface Server {
  /** Unique within a registry. */
  id: string;
  /** Absolute http(s) URL of the runner base, such as `https://eu.example.com/api/runner`. */
  url: string;
  /** Region name, such as `eu-west-1`. */
  region: string;
  /**
   * Share of the work relative to other servers, for the `weighted` balancer.
   * @default 1
   */
  weight?: number;
  /** Most jobs in flight at once; unlimited when absent. */
  capacity?: number;
}

/** `closed` lets jobs through, `open` lets none, `half-open` lets one through to probe. */
export type CircuitState = "closed" | "half-open" | "open";

/** A server and what is known of it now. Plain data: it crosses the engine's boundary. */
export interface ServerStatus extends Server {
  circuit: CircuitState;
  /** Live leases: the jobs in flight there of all orchestrators that share the registry. */
  inFlight: number;
  /** Load the server reported with its last heartbeat, in jobs, beside those in flight. */
  load?: number;
  /** Epoch milliseconds of the last sign of life. */
  lastSeenAt?: number;
  /** Message of the last failure, until a success clears it. */
  lastError?: string;
  /** Epoch milliseconds at which it leaves unless it gives a sign of life; absent for one that stays. */
  leavesAt?: number;
}

/** What a server tells of itself with a sign of life. */
export interface Heartbeat {
  /** Jobs it has beside those that orchestrators have sent to it. */
  load?: number;
  /** Most jobs in flight at once, from now on. */
  capacity?: number;
}

/** What happened to one attempt, for the passive health check. */
export type AttemptOutcome = { ok: true } | { ok: false; error: string };

/** The known servers and their state. Implementations must not throw for an unknown id in `report`. */
export interface ServerRegistry {
  /** Whether servers join while jobs run: a job then waits for the first of its region, and does not fail at once. */
  readonly joinable?: boolean;
  /** All servers, or those of one region, in a stable order. */
  list(filter?: { region?: string }): Promise<ServerStatus[]>;
  /** Adds a server, or replaces the one of the same id; with `ttl` it leaves after so many milliseconds without a heartbeat. */
  register(server: Server, terms?: { ttl?: number }): Promise<void>;
  /** Removes a server; unknown ids are ignored. */
  deregister(id: string): Promise<void>;
  /** Records a sign of life and what came with it; unknown ids are ignored. */
  heartbeat(id: string, state?: Heartbeat): Promise<void>;
  /** Records an attempt's outcome: failures open the server's circuit, a success closes it. */
  report(id: string, outcome: AttemptOutcome): Promise<void>;
}

/** Where registries share what they know: the part of unstorage's `Storage` that is used. */
export interface SharedStorage {
  getKeys(base?: string): Promise<string[]>;
  getItems(keys: string[]): Promise<{ key: string; value: unknown }[]>;
  setItem(key: string, value: object): Promise<void>;
  removeItem(key: string): Promise<void>;
  dispose?(): Promise<void>;
}

/** A server that wants to join, as it says it. */
export interface JoiningServer extends Omit<Server, "id"> {
  /** Without one it is made of region and url, so that the same server has the same each time. */
  id?: string;
  /** Jobs it has in flight, whoever sent them. */
  load?: number;
}

/** Servers as operators and the servers themselves see and change them. */
export interface ServerMembers {
  /** Milliseconds between two heartbeats, and until a server without any leaves. */
  readonly terms: { interval: number; ttl: number };
  /** Whether servers may join from anywhere though no key is asked for. */
  readonly open: boolean;
  list(): Promise<ServerStatus[]>;
  find(id: string): Promise<ServerStatus | undefined>;
  /** Adds a server, or takes it as a heartbeat of one that is known; `taken` where a configured one has its id. */
  join(
    server: JoiningServer,
  ): Promise<{ kind: "joined" | "known" | "taken"; server: ServerStatus }>;
  /** Undefined for an unknown server, which is to join again. */
  heartbeat(id: string, state: Heartbeat): Promise<ServerStatus | undefined>;
  leave(id: string): Promise<"configured" | "left" | "unknown">;
}

/** What a balancer chooses with; no I/O, no clock of its own. */
export interface BalancerContext {
  /** Epoch milliseconds. */
  now: number;
  /** In [0, 1). */
  random: () => number;
  /** What `sticky` hashes: the job's url, else its id. */
  key?: string;
}

/** A strategy that picks one of the candidates; all of them are healthy and have room. */
export interface LoadBalancer {
  readonly name: string;
  select(candidates: readonly ServerStatus[], context: BalancerContext): ServerStatus | undefined;
}

/** Stands for the process's configured registry inside a workflow, where class instances cannot go. */
export interface ServerRegistryHandle {
  readonly kind: "server-registry";
  readonly name: string;
}

/** Stands for the process's configured load balancer inside a workflow. */
export interface LoadBalancerHandle {
  readonly kind: "load-balancer";
  readonly name: string;
}

/** A server picked for a job, with the lease that holds its place until the job starts. */
export interface SelectedServer extends Server {
  leaseId: string;
}
