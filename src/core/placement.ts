import type {
  LoadBalancer,
  SelectedServer,
  ServerRegistry,
  ServerStatus,
} from "../types/server.ts";
import { OrchestratorError } from "./errors.ts";
import type { Lease, Leases } from "./leases.ts";
import { createLines } from "./line.ts";
import { hasRoom, mayWork, noServer } from "./room.ts";
import { firstOf, type Sleep } from "./sleep.ts";

/** Milliseconds a place is held for a job that has not started, and beyond an attempt's timeout. */
export const leaseTtl = 30_000;

/** Milliseconds between two looks while waiting: a registry cannot say when a circuit closes. */
const lookEvery = 250;

/** What a server is chosen with. */
export interface PlacementOptions {
  registry: ServerRegistry;
  loadBalancer: LoadBalancer;
  leases: Leases;
  /** Milliseconds a job waits for room. */
  wait: number;
  now: () => number;
  random: () => number;
  sleep: Sleep;
}

/** Which server a job may go to. */
export interface SelectOptions {
  /** Any region when absent. */
  region?: string;
  /** What `sticky` hashes. */
  key?: string;
  /** Ids of servers not to take. */
  exclude?: readonly string[];
  /** Instead of the configured one. */
  loadBalancer?: LoadBalancer;
  /** Ends the wait for room. */
  signal?: AbortSignal;
  /** Waits for servers that are merely full for as long as it takes; only for those that are down is the wait limited. */
  patient?: boolean;
  /** Told once, with the reason, when there is no room at once. */
  onWait?: (reason: string) => void;
}

/** Finds room for jobs. */
export interface Placement {
  /** Servers whose circuit lets work through, whether or not they have room just now. */
  available(region?: string): Promise<ServerStatus[]>;
  /** Takes a place on one of the given servers, or of all, and waits for room where there is none. */
  select(
    servers: readonly { id: string }[] | undefined,
    options?: SelectOptions,
  ): Promise<SelectedServer>;
  /** Takes a place where there is room now. */
  selectNow(options: SelectOptions): Promise<SelectedServer | undefined>;
  /** Takes over the place held on that very server, else takes one there; undefined where it has none by now. */
  resume(server: SelectedServer): Promise<SelectedServer | undefined>;
  /** Takes over the place held on that very server, else takes one there, else selects in its region. */
  claim(server: { id: string; leaseId?: string }, options?: SelectOptions): Promise<SelectedServer>;
}

/** Chooses servers by what the registry, the leases and the balancer say, in that order. */
export function createPlacement(options: PlacementOptions): Placement {
  const { registry, leases, now, random } = options;
  const lines = createLines();
  /** Those who wait for the same servers, and when a patient one of them last saw one that lives. */
  const crowds = new Map<string, { size: number; livedAt: number }>();

  /** Whether there is nothing to wait for. */
  function isHopeless(servers: readonly ServerStatus[]): boolean {
    return servers.length === 0 && !registry.joinable;
  }

  /** Processes that take places from each other must not look in step. */
  function lookAgain(): number {
    return leases.confirm ? lookEvery * (0.6 + 0.8 * random()) : lookEvery;
  }

  function list(region?: string): Promise<ServerStatus[]> {
    return registry.list(region === undefined ? undefined : { region });
  }

  /** The servers with what is in flight there at this moment. */
  function counted(servers: readonly ServerStatus[]): ServerStatus[] {
    return servers.map((server) =>
      Object.assign({}, server, { inFlight: leases.count(server.id) }),
    );
  }

  /** The registered servers of these ids; what else a caller passes, such as a url, is not used. */
  async function idsOf(servers: readonly { id: string }[]): Promise<string[]> {
    const known = await list();
    const ids = new Set(known.map(({ id }) => id));
    const unknown = servers.find(({ id }) => !ids.has(id));
    if (unknown) throw unknownServer(unknown.id, known);
    return servers.map(({ id }) => id);
  }

  async function candidates(
    ids: readonly string[] | undefined,
    { region, exclude = [] }: SelectOptions,
  ): Promise<ServerStatus[]> {
    const servers = await list(region);
    return servers.filter(({ id }) => (!ids || ids.includes(id)) && !exclude.includes(id));
  }

  /** No await between counting, choosing and leasing, so that jobs of one moment see each other. */
  function pick(
    servers: readonly ServerStatus[],
    wanted: SelectOptions,
  ): { server: ServerStatus; lease: Lease } | undefined {
    const roomy = counted(servers).filter((server) => mayWork(server) && hasRoom(server));
    if (roomy.length === 0) return undefined;
    const balancer = wanted.loadBalancer ?? options.loadBalancer;
    const choice = balancer.select(roomy, { now: now(), random, key: wanted.key });
    const server = roomy.find(({ id }) => id === choice?.id);
    const lease = server && leases.acquire(server.id, { ttl: leaseTtl, capacity: server.capacity });
    return lease && { server: server!, lease };
  }

  /** Whether a place just taken is the caller's, also where other processes take places too. */
  async function isSure({ circuit, capacity }: ServerStatus, lease: Lease): Promise<boolean> {
    const most = circuit === "half-open" ? 1 : capacity;
    return most === undefined || !leases.confirm || leases.confirm(lease, most);
  }

  /** A place on the server that the balancer picks, or on another where that one turns out to be full. */
  async function take(
    servers: readonly ServerStatus[],
    wanted: SelectOptions,
  ): Promise<SelectedServer | undefined> {
    for (let left = servers; ;) {
      const picked = pick(left, wanted);
      if (!picked) return undefined;
      const { server, lease } = picked;
      if (await isSure(server, lease)) return selected(server, lease.id);
      left = left.filter(({ id }) => id !== server.id);
    }
  }

  /** A place on that very server, the one that is held for the caller if it still is. */
  async function occupy(
    server: ServerStatus,
    leaseId: string | undefined,
  ): Promise<SelectedServer | undefined> {
    const terms = { ttl: leaseTtl, capacity: server.capacity };
    const held = leaseId === undefined ? undefined : leases.takeOver(leaseId, server.id, leaseTtl);
    const lease = held ?? leases.acquire(server.id, terms);
    if (!lease) return undefined;
    const others = leases.count(server.id) - 1;
    if (!mayWork({ ...server, inFlight: others })) {
      leases.release(lease.id);
      return undefined;
    }
    const sure = held !== undefined || (await isSure(server, lease));
    return sure ? selected(server, lease.id) : undefined;
  }

  async function waitForRoom(
    ids: readonly string[] | undefined,
    wanted: SelectOptions,
    key: string,
  ): Promise<SelectedServer> {
    const joinedAt = now();
    const place = lines.join(key);
    const crowd = crowds.get(key) ?? { size: 0, livedAt: 0 };
    crowds.set(key, crowd);
    crowd.size++;
    let told = !wanted.onWait;
    const tell = async (servers: readonly ServerStatus[]): Promise<void> => {
      if (told || isHopeless(servers)) return;
      told = true;
      wanted.onWait?.((await unavailable(servers, wanted)).message);
    };
    try {
      // Also from the back of the line, where it may be long until a turn.
      const seen = told ? [] : await candidates(ids, wanted);
      if (!counted(seen).some((server) => mayWork(server) && hasRoom(server))) await tell(seen);
      // Who came before gives up before I would: all wait equally long.
      await firstOf(wanted.signal, () => place.turn);
      for (;;) {
        wanted.signal?.throwIfAborted();
        const servers = await candidates(ids, wanted);
        const server = await take(servers, wanted);
        if (wanted.patient && (server || counted(servers).some(mayWork))) crowd.livedAt = now();
        if (server) return server;
        // Servers that are down are given the whole wait, however long they were merely full before.
        const left = Math.max(joinedAt, crowd.livedAt) + options.wait - now();
        await tell(servers);
        if (isHopeless(servers) || left <= 0) throw await unavailable(servers, wanted);
        leases.want?.(servers.filter(({ circuit }) => circuit !== "open").map(({ id }) => id));
        await firstOf(
          wanted.signal,
          (signal) => leases.released(signal),
          (signal) => options.sleep(Math.min(left, lookAgain()), signal),
        );
      }
    } finally {
      place.leave();
      if (--crowd.size === 0) crowds.delete(key);
    }
  }

  async function select(
    servers: readonly { id: string }[] | undefined,
    wanted: SelectOptions = {},
  ): Promise<SelectedServer> {
    wanted.signal?.throwIfAborted();
    const ids = servers && (await idsOf(servers));
    const key = JSON.stringify([wanted.region, ids, wanted.exclude]);
    const direct = lines.has(key) ? undefined : await take(await candidates(ids, wanted), wanted);
    return direct ?? waitForRoom(ids, wanted, key);
  }

  async function unavailable(
    servers: readonly ServerStatus[],
    { region }: SelectOptions,
  ): Promise<OrchestratorError> {
    const regions = [...new Set((await list()).map((server) => server.region))];
    return noServer(counted(servers), region, regions);
  }

  return {
    async available(region) {
      return counted(await list(region)).filter(mayWork);
    },
    select,
    async selectNow(wanted) {
      return take(await candidates(undefined, wanted), wanted);
    },
    async resume({ id, leaseId, region }) {
      const server = (await list(region)).find((one) => one.id === id);
      if (!server) leases.release(leaseId);
      return server && occupy(server, leaseId);
    },
    async claim({ id, leaseId }, wanted) {
      const servers = await list();
      const server = servers.find((one) => one.id === id);
      if (!server) throw unknownServer(id, servers);
      const own = await occupy(server, leaseId);
      return own ?? select(undefined, { ...wanted, region: server.region });
    },
  };
}

function selected(status: ServerStatus, leaseId: string): SelectedServer {
  const { id, url, region, weight, capacity } = status;
  return {
    id,
    url,
    region,
    ...(weight !== undefined && { weight }),
    ...(capacity !== undefined && { capacity }),
    leaseId,
  };
}

function unknownServer(server: string, servers: readonly { id: string }[]): OrchestratorError {
  const known = servers.map(({ id }) => id);
  const list = known.join(", ") || "none";
  return new OrchestratorError(
    "UNKNOWN_SERVER",
    `Unknown server "${server}". Known servers: ${list}`,
    {
      data: { server, known },
    },
  );
}
