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
  /** Live leases, which is the number of jobs this orchestrator has in flight there. */
  inFlight: number;
  /** Load the server reported with its last heartbeat, in jobs. */
  load?: number;
  /** Epoch milliseconds of the last sign of life. */
  lastSeenAt?: number;
  /** Message of the last failure, until a success clears it. */
  lastError?: string;
}

/** What happened to one attempt, for the passive health check. */
export type AttemptOutcome = { ok: true } | { ok: false; error: string };

/** The known servers and their state. Implementations must not throw for an unknown id in `report`. */
export interface ServerRegistry {
  /** All servers, or those of one region, in a stable order. */
  list(filter?: { region?: string }): Promise<ServerStatus[]>;
  /** Adds a server, or replaces the one of the same id. */
  register(server: Server): Promise<void>;
  /** Removes a server; unknown ids are ignored. */
  deregister(id: string): Promise<void>;
  /** Records a sign of life and, when given, the server's own load. */
  heartbeat(id: string, state?: { load?: number }): Promise<void>;
  /** Records an attempt's outcome: failures open the server's circuit, a success closes it. */
  report(id: string, outcome: AttemptOutcome): Promise<void>;
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
