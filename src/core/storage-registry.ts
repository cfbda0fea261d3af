import type { CircuitConfig } from "../types/config.ts";
import type {
  AttemptOutcome,
  Heartbeat,
  Server,
  ServerRegistry,
  ServerStatus,
  SharedStorage,
} from "../types/server.ts";
import { afterFailure, type Circuit, circuitState, closedCircuit } from "./circuit.ts";
import { OrchestratorError, reasonOf } from "./errors.ts";
import type { Leases } from "./leases.ts";
import { validateServer, validateServers } from "./server-config.ts";
import { createSharedLeases, type SharedLeases } from "./shared-leases.ts";
import { createSharedRecords, keyOf, type SharedRecords } from "./shared-records.ts";
import { idleSleep, type Sleep } from "./sleep.ts";

/** What a registry in a storage is made of. */
export interface StorageServerRegistryOptions {
  /** A storage of unstorage's, or what has these methods of it. */
  storage: SharedStorage;
  /** Servers that are there from the start, and stay. */
  servers?: Server[];
  /** When circuits open: by default after 3 failures in a row, for 10 s. */
  circuit?: CircuitConfig;
  /**
   * Milliseconds without a heartbeat after which a server that joined has left.
   * @default 30000
   */
  ttl?: number;
  /**
   * What error messages call the list.
   * @default "servers"
   */
  path?: string;
  /** Told what is wrong with the storage and what is in it, each once; by default stderr. */
  note?: (message: string) => void;
  /** Epoch milliseconds. */
  now?: () => number;
  sleep?: Sleep;
}

/** A server that joined, as it is stored. */
interface Member {
  server: Server;
  lastSeenAt: number;
  ttl: number;
  load?: number;
}

/** A circuit as it is stored. */
interface StoredCircuit extends Circuit {
  id: string;
  lastError?: string;
}

/** A server as it was last read: what is configured of it, what it told when it joined, its circuit. */
interface Known {
  server?: Server;
  member?: Member | undefined;
  circuit: Circuit & { lastError?: string };
}

/**
 * Servers that several processes share through a storage: those that joined, and of all of them the circuits. It
 * answers from what was read within the last quarter of a second, and from what was last known while the storage
 * is away. Processes that share one agree on the time to within a few seconds.
 *
 * @throws OrchestratorError `CONFIG_INVALID` for a server that is not valid, naming its path
 */
export class StorageServerRegistry implements ServerRegistry {
  readonly joinable = true as const;
  readonly #records: SharedRecords;
  readonly #configured: ReadonlyMap<string, Server>;
  readonly #circuit: Required<CircuitConfig>;
  readonly #ttl: number;
  readonly #note: (message: string) => void;
  readonly #now: () => number;
  readonly #sleep: Sleep;
  /** Records of the storage as they were understood; undefined for those that cannot be. */
  readonly #parsed: WeakMap<object, Member | undefined> = new WeakMap();
  readonly #noted: Set<string> = new Set();
  #listed: readonly Known[] = [];
  #listedVersion = "";
  /** When an attempt or a probe last showed that a server lives, which is told to nobody. */
  readonly #seen: Map<string, number> = new Map();

  constructor(options: StorageServerRegistryOptions) {
    const { storage, circuit, now = Date.now, sleep = idleSleep, servers = [] } = options;
    this.#note = options.note ?? ((message) => console.error(`[orchestrator] ${message}`));
    this.#records = createSharedRecords({ storage, note: this.#note, now, sleep });
    const configured = validateServers(servers, options.path);
    this.#configured = new Map(configured.map((server) => [server.id, server]));
    this.#circuit = { failures: circuit?.failures ?? 3, cooldown: circuit?.cooldown ?? 10_000 };
    this.#ttl = options.ttl ?? 30_000;
    this.#now = now;
    this.#sleep = sleep;
  }

  /** Leases that are counted together with those of all who share the storage. */
  shareLeases(own: Leases): SharedLeases {
    return createSharedLeases({
      records: this.#records,
      own,
      instance: crypto.randomUUID(),
      now: this.#now,
      sleep: this.#sleep,
    });
  }

  async list(filter: { region?: string } = {}): Promise<ServerStatus[]> {
    const reading = this.#records.refresh();
    if (reading) await reading;
    const { region } = filter;
    return this.#known().flatMap((known) => {
      const status = this.#statusOf(known);
      return status && (region === undefined || status.region === region) ? [status] : [];
    });
  }

  /** A server that comes back under its id starts with a closed circuit. */
  async register(server: Server, { ttl = this.#ttl }: { ttl?: number } = {}): Promise<void> {
    const valid = validateServer(server);
    await this.#store({ server: valid, lastSeenAt: this.#now(), ttl });
    await this.#records.remove(circuitKey(valid.id));
  }

  /** What joined leaves; a configured server stays, without what it told of itself. */
  async deregister(id: string): Promise<void> {
    const removed = await this.#records.remove(memberKey(id));
    await this.#records.remove(circuitKey(id));
    if (!removed) throw unreachable();
  }

  async heartbeat(id: string, { load, capacity }: Heartbeat = {}): Promise<void> {
    // It may have joined elsewhere a moment ago.
    await this.#records.read([memberKey(id)]);
    const configured = this.#configured.get(id);
    const known = this.#member(id) ?? (configured && { server: configured, ttl: this.#ttl });
    if (!known) return;
    const server = capacity === undefined ? known.server : { ...known.server, capacity };
    const member = { ...known, server: validateServer(server), lastSeenAt: this.#now() };
    await this.#store(load === undefined ? member : { ...member, load });
  }

  async report(id: string, outcome: AttemptOutcome): Promise<void> {
    const key = circuitKey(id);
    if (outcome.ok) {
      this.#seen.set(id, this.#now());
      // What is well is not written, so that jobs that are answered cost the storage nothing.
      if (this.#records.get(key) !== undefined) await this.#records.remove(key);
      return;
    }
    await this.#records.read([key]);
    if (!this.#configured.has(id) && !this.#member(id)) return;
    const circuit = afterFailure(this.#circuitOf(id), this.#now(), this.#circuit);
    await this.#records.write(key, { id, ...circuit, lastError: outcome.error });
  }

  /** The configured servers in their order, then those that joined by their ids; also those that have left by now. */
  #known(): readonly Known[] {
    const version = ["servers", "circuits"].map((family) => this.#records.version(family)).join();
    if (version === this.#listedVersion) return this.#listed;
    const configured = [...this.#configured.values()].map((server): Known => {
      const key = keyOf(server.id);
      const member = this.#read(`servers:${key}`, server.id);
      return { server, member, circuit: this.#circuitOf(server.id, key) };
    });
    const joined = this.#records.below("servers:").flatMap(([key]): Known[] => {
      const member = this.#read(key);
      if (!member || this.#configured.has(member.server.id)) return [];
      return [{ member, circuit: this.#circuitOf(member.server.id, key.slice("servers:".length)) }];
    });
    joined.sort((one, other) => (one.member!.server.id < other.member!.server.id ? -1 : 1));
    this.#listedVersion = version;
    return (this.#listed = [...configured, ...joined]);
  }

  /** Undefined for one that has left. */
  #statusOf({ server: configured, member: told, circuit }: Known): ServerStatus | undefined {
    const member = told && this.#isThere(told) ? told : undefined;
    const server = member?.server ?? configured;
    if (!server) return undefined;
    const seenAt = Math.max(member?.lastSeenAt ?? 0, this.#seen.get(server.id) ?? 0);
    const status: ServerStatus = Object.assign(
      { circuit: circuitState(circuit, this.#now(), this.#circuit), inFlight: 0 },
      server,
    );
    if (member?.load !== undefined) status.load = member.load;
    if (seenAt > 0) status.lastSeenAt = seenAt;
    if (circuit.lastError !== undefined) status.lastError = circuit.lastError;
    if (!configured) status.leavesAt = member!.lastSeenAt + member!.ttl;
    return status;
  }

  /** Whether it has not left by its silence. */
  #isThere({ lastSeenAt, ttl }: Member): boolean {
    // While nothing can be read, silence says nothing.
    const asOf = this.#records.away() > 0 ? this.#records.readAt : this.#now();
    return asOf - lastSeenAt < ttl;
  }

  /** What joined under an id and has not left. */
  #member(id: string): Member | undefined {
    const member = this.#read(memberKey(id), id);
    return member && this.#isThere(member) ? member : undefined;
  }

  /** What is stored at a key, under that id where one is given. */
  #read(key: string, id?: string): Member | undefined {
    const value = this.#records.get(key);
    if (typeof value !== "object" || value === null) return undefined;
    if (!this.#parsed.has(value)) this.#parsed.set(value, this.#parse(key, value));
    const member = this.#parsed.get(value);
    if (!member || (id !== undefined && member.server.id !== id)) return undefined;
    // What nobody will ask for again need not stay for ever.
    const isForgotten =
      this.#records.away() === 0 && this.#now() - member.lastSeenAt > 10 * member.ttl;
    if (isForgotten) void this.#records.remove(key);
    return member;
  }

  /** What others wrote, as far as it is what it should be. */
  #parse(key: string, value: object): Member | undefined {
    try {
      const { server, lastSeenAt, ttl, load } = value as Record<keyof Member, unknown>;
      const valid = validateServer(server);
      if (memberKey(valid.id) !== key) throw new Error("server.id is that of another key");
      assertTime(lastSeenAt, "lastSeenAt");
      assertTime(ttl, "ttl");
      if (lastSeenAt > this.#now() + ttl) throw new Error("lastSeenAt is not yet");
      const told = typeof load === "number" && load > 0 ? { load } : {};
      return { server: valid, lastSeenAt, ttl, ...told };
    } catch (error) {
      const message = `The registry's storage has something at ${key} that is no server, which is left out: ${reasonOf(error)}`;
      if (!this.#noted.has(key)) this.#note(message);
      this.#noted.add(key);
      return undefined;
    }
  }

  #circuitOf(id: string, key: string = keyOf(id)): Known["circuit"] {
    const stored = this.#records.get(`circuits:${key}`) as
      | Partial<StoredCircuit>
      | null
      | undefined;
    const { failures, openedAt, lastError } = stored ?? {};
    if (stored?.id !== id || !Number.isSafeInteger(failures) || failures! < 0) return closedCircuit;
    // One that is opened only later would not be tried again for as long.
    const opened = typeof openedAt === "number" && openedAt < this.#now() + this.#circuit.cooldown;
    return {
      failures: failures!,
      ...(opened && { openedAt }),
      ...(typeof lastError === "string" && { lastError }),
    };
  }

  async #store(member: Member): Promise<void> {
    const stored = await this.#records.write(memberKey(member.server.id), member);
    if (!stored) throw unreachable();
  }
}

function memberKey(id: string): string {
  return `servers:${keyOf(id)}`;
}

function circuitKey(id: string): string {
  return `circuits:${keyOf(id)}`;
}

function assertTime(value: unknown, name: string): asserts value is number {
  if (typeof value !== "number" || !(value > 0)) throw new Error(`${name} must be a time`);
}

function unreachable(): OrchestratorError {
  return new OrchestratorError("SERVER_UNREACHABLE", "The registry's storage is away", {
    retryable: true,
  });
}
