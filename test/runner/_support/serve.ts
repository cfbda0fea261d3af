import { serve as serveNode } from "srvx/node";
import { afterEach } from "vitest";
import { createRunnerHandler } from "../../../src/runner/index.ts";
import type { RunnerHandler, RunnerHandlerOptions } from "../../../src/runner/index.ts";

/** A runner server on a free loopback port. */
export interface Served {
  handler: RunnerHandler;
  /** `http://127.0.0.1:port` without a path. */
  origin: string;
  /** `{origin}/api/runner`, or where the options mount it. */
  base: string;
  /** Posts a JSON body to `{base}/execute`. */
  execute(body: unknown, headers?: Record<string, string>): Promise<Response>;
}

const closers: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()));
});

/** Serves the handler of these options over real HTTP until the test ends. */
export async function serve(options: RunnerHandlerOptions): Promise<Served> {
  const handler = createRunnerHandler(options);
  const server = serveNode({
    fetch: handler,
    port: 0,
    hostname: "127.0.0.1",
    silent: true,
    gracefulShutdown: false,
  });
  await server.ready();
  closers.push(() => server.close(true));
  const origin = new URL(server.url!).origin;
  const base = origin + (options.base ?? "/api/runner").replace(/\/+$/, "");
  const execute = (body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${base}/execute`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
    });
  return { handler, origin, base, execute };
}

/** A promise and its resolver, for a runner that the test lets go. */
export function gate(): { opened: Promise<void>; open: () => void } {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}
