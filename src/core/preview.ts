import type { PlannedJob } from "../types/run.ts";
import type { LoadBalancer, ServerRegistry, ServerStatus } from "../types/server.ts";
import { failureMessage } from "./job-ends.ts";
import type { Leases } from "./leases.ts";
import { hasRoom, mayWork, noServer } from "./room.ts";

/** What servers are chosen with. */
export interface PreviewOptions {
  registry: ServerRegistry;
  loadBalancer: LoadBalancer;
  leases: Leases;
  now: () => number;
  random: () => number;
}

/** Where a job would go now, or why nowhere. */
export type Preview = { server: string } | { reason: string };

/**
 * Where jobs would go now, each counted as load for those after it. Takes no place; it does ask the
 * balancer, so that one which takes turns goes on by as many.
 */
export async function previewServers(
  jobs: readonly PlannedJob[],
  { registry, loadBalancer, leases, now, random }: PreviewOptions,
): Promise<Preview[]> {
  const servers = await registry.list();
  const regions = [...new Set(servers.map(({ region }) => region))];
  const planned = new Map<string, number>();

  function preview({ id, url, region }: PlannedJob): Preview {
    const local = region === undefined ? servers : servers.filter((one) => one.region === region);
    const counted = local.map((server) =>
      Object.assign({}, server, { inFlight: leases.count(server.id) }),
    );
    const roomy = counted.filter((server) => mayWork(server) && hasRoom(server));
    const loaded = roomy.map((server): ServerStatus =>
      Object.assign({}, server, { inFlight: server.inFlight + (planned.get(server.id) ?? 0) }),
    );
    const choice = loadBalancer.select(loaded, { now: now(), random, key: url ?? id });
    if (!choice) return { reason: failureMessage(noServer(counted, region, regions)) };
    planned.set(choice.id, (planned.get(choice.id) ?? 0) + 1);
    return { server: choice.id };
  }

  return jobs.map(preview);
}
