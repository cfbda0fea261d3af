import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { reasonOf } from "../core/errors.ts";
import { toNodeListener } from "../http/node.ts";
import type { OrchestratorContext } from "../runtime/compose.ts";
import { onceReady } from "../runtime/early.ts";
import type { HandlerSettings } from "../runtime/handler-options.ts";
import { loadServer } from "../runtime/process-server.ts";
import { onEndSignal } from "../runtime/signals.ts";

/** What a service is started with. */
export interface ServiceOptions {
  settings: HandlerSettings;
  port: number;
  host: string;
}

/** How long answers may take to go out, and then the World to close, before the process ends all the same. */
const CLOSE_MS = 1000;

/**
 * Starts the orchestrator behind a server of its own; resolves when runs are taken up. At SIGTERM or SIGINT
 * what is in flight may end, the rest is handed back, and the process exits with 0.
 *
 * @throws where it cannot listen or start
 */
export async function startService({ settings, port, host }: ServiceOptions): Promise<void> {
  const context = await loadServer(settings);
  const { route, service } = settings.options;
  let begin!: () => void;
  const ready = new Promise<void>((resolve) => (begin = resolve));
  const server = createServer(
    // More than the API takes, so that it says so itself, and in its own form.
    { maxHeaderSize: 64 * 1024 },
    toNodeListener(onceReady(context.handler, ready, { route, service })),
  );
  onEndSignal(() => void shutDown(context, server));
  surviveFaults();
  // Before the World is started: whoever looks after the process is answered meanwhile.
  await listen(server, port, host);
  await context.start();
  begin();
  const warning = openDoors(host, process.env);
  if (warning !== undefined) console.error(`[orchestrator] ${warning}`);
  const url = urlOf(server);
  console.log(`Listening on ${url}, docs at ${url}${route.slice(1)}${route && "/"}docs`);
}

/** What to say where others than this machine can start runs without a key; undefined where they cannot. */
export function openDoors(host: string, env: NodeJS.ProcessEnv): string | undefined {
  const { ORCHESTRATOR_API_KEY: key, ORCHESTRATOR_API_KEYS: keys } = env;
  if (key || keys || /^(?:127\.|::1$|localhost$)/.test(host)) return undefined;
  return `Whoever reaches ${host} can start runs, since no key is set: set ORCHESTRATOR_API_KEY`;
}

/** Ends the process within bounds: first the jobs in flight, then the answers under way, then the World. */
async function shutDown(context: OrchestratorContext, server: Server): Promise<void> {
  try {
    await context.drain();
    await closeServer(server);
    setTimeout(() => process.exit(0), CLOSE_MS);
    await context.close();
    process.exit(0);
  } catch (error) {
    // What was acknowledged is stored, and the next start takes up the rest as after a crash.
    console.error(`[orchestrator] did not close: ${reasonOf(error)}`);
    process.exit(1);
  }
}

/** A runner that throws where nobody listens must not end the process: its run would end the next one too. */
export function surviveFaults(): void {
  for (const event of ["uncaughtException", "unhandledRejection"] as const) {
    process.on(event, (fault: unknown) => console.error(`[orchestrator] ${event}`, fault));
  }
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const where = `${host}, port ${port}`;
      if (error.code !== "EADDRINUSE") {
        reject(new Error(`Cannot listen on ${where}: ${error.message}`));
        return;
      }
      reject(
        new Error(`${where} is in use: stop what listens there, or choose another with --port`),
      );
    });
    server.listen(port, host, resolve);
  });
}

function urlOf(server: Server): string {
  const { address, family, port } = server.address() as AddressInfo;
  return `http://${family === "IPv6" ? `[${address}]` : address}:${port}/`;
}

/** Takes no more connections, and resolves when all have had their answers, or after a while without. */
async function closeServer(server: Server): Promise<void> {
  const timer = setTimeout(() => server.closeAllConnections(), CLOSE_MS);
  // A connection that is kept open is idle only once its answer is out.
  const idle = setInterval(() => server.closeIdleConnections(), 20);
  await new Promise((resolve) => server.close(resolve));
  clearTimeout(timer);
  clearInterval(idle);
}
