import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { H3, toNodeHandler } from "h3/node";
import { onAbort } from "../core/abort.ts";
import type { EngineHandler } from "./virtual/engine.ts";

/** A loopback listener for a World that delivers its messages over HTTP. */
export interface Delivery {
  /** Base URL, on 127.0.0.1 and a free port. */
  url: string;
  /** Answers what is delivered, and what has not been answered, that it is to be delivered anew, to whichever process. */
  handBack(): void;
  close(): Promise<void>;
}

/** Seconds until a delivery that is handed back is made again: by then this process asks for none. */
const HAND_BACK_SECONDS = 1;

/**
 * Opens the engine's two routes on a port of their own that only this machine reaches, so that the
 * server's public port need not serve them.
 */
export async function openDelivery(engine: {
  flow: EngineHandler;
  step: EngineHandler;
}): Promise<Delivery> {
  const handedBack = new AbortController();
  const again = (): Response => Response.json({ timeoutSeconds: HAND_BACK_SECONDS });
  const delivering =
    (handle: EngineHandler) =>
    async ({ req }: { req: Request }): Promise<Response> => {
      const { signal } = handedBack;
      if (signal.aborted) return again();
      return new Promise<Response>((resolve, reject) => {
        const off = onAbort(signal, () => resolve(again()));
        void handle({ req }).then(resolve, reject).finally(off);
      });
    };
  const app = new H3()
    .post("/.well-known/workflow/v1/flow", delivering(engine.flow))
    .post("/.well-known/workflow/v1/step", delivering(engine.step));
  const server = createServer(toNodeHandler(app));
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  server.unref();
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    handBack: () => handedBack.abort(),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
