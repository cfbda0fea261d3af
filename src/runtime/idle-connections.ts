import type { Server } from "node:http";

/** How often connections are looked at. */
const LOOK_MS = 50;

// The process's own: the servers of its requests.
const servers = new Set<Server>();

/** Notes the server of `node:http` that a request came to, where it is one. */
export function noteServer(request: Request): void {
  const { runtime } = request as {
    runtime?: { node?: { req?: { socket?: { server?: Server } } } };
  };
  const server = runtime?.node?.req?.socket?.server;
  if (server) servers.add(server);
}

/**
 * Closes connections of a server that closes, as soon as their answer is out. Node closes those that are idle
 * at that moment, and waits for the others' clients: for seconds after a long poll or an event stream has ended.
 */
export function closeIdleConnections(): void {
  const look = (): void => {
    for (const server of servers) if (!server.listening) server.closeIdleConnections();
  };
  setInterval(look, LOOK_MS).unref();
}
