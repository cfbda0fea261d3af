import type { CircuitConfig } from "../types/config.ts";
import type {
  AttemptOutcome,
  Heartbeat,
  Server,
  ServerRegistry,
  ServerStatus,
} from "../types/server.ts";
import { afterFailure, type Circuit, circuitState, closedCircuit } from "./circuit.ts";
import { validateServer, validateServers } from "./server-config.ts";

/** What an in-memory registry starts with. */
export interface InMemoryServerRegistryOptions {
  servers: Server[];
  /** When circuits open: by default after 3 failures in a row, for 10 s. */
  circuit?: CircuitConfig;
  /**
   * What error messages call the list.
   * @default "servers"
   */
  path?: string;
  /** Epoch milliseconds. */
  now?: () => number;
}

/** What is known of one server. */
interface Entry {
  server: Server;
  circuit: Circuit;
  seen: Pick<ServerStatus, "lastError" | "lastSeenAt" | "leavesAt" | "load">;
  /** Milliseconds it may be silent; for ever without. */
  ttl?: number;
}

/**
 * Servers kept in this process's memory. It knows nothing of jobs in flight: its `inFlight` is 0,
 * and the dispatcher fills it in from its leases.
 *
 * @throws OrchestratorError `CONFIG_INVALID` for a server that is not valid, naming its path
 */
export class InMemoryServerRegistry implements ServerRegistry {
  readonly #entries = new Map<string, Entry>();
  readonly #circuit: Required<CircuitConfig>;
  readonly #now: () => number;

  constructor(options: InMemoryServerRegistryOptions) {
    this.#circuit = {
      failures: options.circuit?.failures ?? 3,
      cooldown: options.circuit?.cooldown ?? 10_000,
    };
    this.#now = options.now ?? Date.now;
    for (const server of validateServers(options.servers, options.path)) {
      this.#entries.set(server.id, { server, circuit: closedCircuit, seen: {} });
    }
  }

  async list(filter: { region?: string } = {}): Promise<ServerStatus[]> {
    this.#sweep();
    return [...this.#entries.values()]
      .filter(({ server }) => filter.region === undefined || server.region === filter.region)
      .map((entry) => this.#statusOf(entry));
  }

  /** A server that comes back under its id starts with a closed circuit. */
  async register(server: Server, { ttl }: { ttl?: number } = {}): Promise<void> {
    const valid = validateServer(server);
    const entry: Entry = { server: valid, circuit: closedCircuit, seen: {} };
    if (ttl !== undefined) entry.ttl = ttl;
    this.#entries.set(valid.id, entry);
    this.#sign(entry);
  }

  async deregister(id: string): Promise<void> {
    this.#entries.delete(id);
  }

  async heartbeat(id: string, { load, capacity }: Heartbeat = {}): Promise<void> {
    this.#sweep();
    const entry = this.#entries.get(id);
    if (!entry) return;
    if (capacity !== undefined) entry.server = validateServer({ ...entry.server, capacity });
    if (load !== undefined) entry.seen.load = load;
    this.#sign(entry);
  }

  async report(id: string, outcome: AttemptOutcome): Promise<void> {
    const entry = this.#entries.get(id);
    if (!entry) return;
    if (outcome.ok) {
      entry.circuit = closedCircuit;
      entry.seen.lastSeenAt = this.#now();
      delete entry.seen.lastError;
    } else {
      entry.circuit = afterFailure(entry.circuit, this.#now(), this.#circuit);
      entry.seen.lastError = outcome.error;
    }
  }

  #sign(entry: Entry): void {
    entry.seen.lastSeenAt = this.#now();
    if (entry.ttl !== undefined) entry.seen.leavesAt = this.#now() + entry.ttl;
  }

  /** Lets go of servers that have been silent for too long. */
  #sweep(): void {
    for (const [id, { seen }] of this.#entries) {
      if (seen.leavesAt !== undefined && seen.leavesAt <= this.#now()) this.#entries.delete(id);
    }
  }

  #statusOf(entry: Entry): ServerStatus {
    const circuit = circuitState(entry.circuit, this.#now(), this.#circuit);
    return Object.assign({ circuit, inFlight: 0 }, entry.server, entry.seen);
  }
}
