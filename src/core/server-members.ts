import type {
  Heartbeat,
  JoiningServer,
  Server,
  ServerMembers,
  ServerRegistry,
  ServerStatus,
} from "../types/server.ts";
import type { Leases } from "./leases.ts";

/** What members are kept with. */
export interface ServerMembersOptions {
  registry: ServerRegistry;
  leases: Pick<Leases, "count">;
  /** Milliseconds between two heartbeats, and until a server without any leaves. */
  terms: { interval: number; ttl: number };
  /** Whether servers may join from anywhere though no key is asked for. */
  open: boolean;
  /** Servers of the configuration, which stay. */
  configured: readonly Server[];
}

/** Servers that join a registry and leave it. */
export function createServerMembers(options: ServerMembersOptions): ServerMembers {
  const { registry, leases, terms, open } = options;
  const configured = new Map(options.configured.map((server) => [server.id, server]));

  async function list(): Promise<ServerStatus[]> {
    const servers = await registry.list();
    return servers.map((server) =>
      Object.assign({}, server, { inFlight: leases.count(server.id) }),
    );
  }

  async function find(id: string): Promise<ServerStatus | undefined> {
    return (await list()).find((server) => server.id === id);
  }

  async function heartbeat(id: string, state: Heartbeat): Promise<ServerStatus | undefined> {
    const { load, capacity } = state;
    await registry.heartbeat(id, {
      // Of what it has in flight, that which orchestrators have sent to it is known and counted.
      ...(load !== undefined && { load: Math.max(0, load - leases.count(id)) }),
      ...(capacity !== undefined && { capacity }),
    });
    return find(id);
  }

  return {
    terms,
    open,
    list,
    find,
    heartbeat,
    async join({ load, ...wanted }) {
      const server: Server = { ...wanted, id: wanted.id ?? idOf(wanted) };
      const { id, capacity } = server;
      const fixed = configured.get(id);
      if (fixed && !isThere(fixed, server))
        return { kind: "taken", server: { ...fixed, ...fresh } };
      const told = load === undefined ? {} : { load };
      const known = await heartbeat(id, { ...told, ...(capacity !== undefined && { capacity }) });
      if (known && (fixed || isSame(known, server))) return { kind: "known", server: known };
      await registry.register(server, { ttl: terms.ttl });
      const joined = await (load === undefined ? find(id) : heartbeat(id, told));
      return { kind: known ? "known" : "joined", server: joined ?? { ...server, ...fresh } };
    },
    async leave(id) {
      const known = await find(id);
      if (!known) return "unknown";
      if (configured.has(id)) return "configured";
      await registry.deregister(id);
      return "left";
    },
  };
}

/** An id that a server of this region and url has each time it joins. */
function idOf({ region, url }: Pick<JoiningServer, "region" | "url">): string {
  const { host, pathname } = new URL(url);
  const name = `${region}-${host}${pathname}`.replaceAll(/[^\w.~-]+/g, "-");
  return name.replace(/-$/, "").slice(0, 100);
}

/** What is known of a server that nobody has told anything of. */
const fresh: Pick<ServerStatus, "circuit" | "inFlight"> = { circuit: "closed", inFlight: 0 };

function isThere(one: Server, other: Server): boolean {
  return one.url === other.url && one.region === other.region;
}

function isSame(one: Server, other: Server): boolean {
  return isThere(one, other) && one.weight === other.weight && one.capacity === other.capacity;
}
