import type { ServerStatus } from "../types/server.ts";
import { OrchestratorError } from "./errors.ts";

/** A half-open circuit lets one job through, as its probe. */
export function mayWork({ circuit, inFlight }: ServerStatus): boolean {
  return circuit === "closed" || (circuit === "half-open" && inFlight === 0);
}

/** Whether it has fewer jobs in flight than it can take. */
export function hasRoom({ inFlight, capacity = Infinity }: ServerStatus): boolean {
  return inFlight < capacity;
}

/**
 * Why none of these servers takes a job now.
 *
 * @param servers the candidates, with what is in flight there
 * @param regions all regions that have a server
 */
export function noServer(
  servers: readonly ServerStatus[],
  region: string | undefined,
  regions: readonly string[],
): OrchestratorError {
  const where = region === undefined ? "" : ` for region ${region}`;
  const none = `none registered (regions: ${regions.join(", ") || "none"})`;
  return new OrchestratorError(
    "NO_SERVER_AVAILABLE",
    `No runner servers available${where}: ${servers.map(whyNot).join("; ") || none}`,
    {
      retryable: servers.length > 0,
      data: {
        ...(region !== undefined && { region }),
        regions,
        registered: servers.length,
        full: servers.filter((server) => !hasRoom(server)).map(({ id }) => id),
        circuitOpen: servers.filter((server) => !mayWork(server)).map(({ id }) => id),
      },
    },
  );
}

/** Why a server takes no job now. */
function whyNot(server: ServerStatus): string {
  const { id, circuit, lastError, inFlight, capacity } = server;
  if (!mayWork(server)) {
    return `the circuit of ${id} is ${circuit}${lastError === undefined ? "" : ` (${lastError})`}`;
  }
  if (!hasRoom(server)) return `${id} is full (${inFlight} of ${capacity} jobs)`;
  return `${id} was not chosen by the load balancer`;
}
