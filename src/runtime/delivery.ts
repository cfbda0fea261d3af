import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { H3, toNodeHandler } from "h3/node";
import type { EngineHandler } from "./virtual/engine.ts";

/** A loopback listener for a World that delivers its messages over HTTP. */
export interface Delivery {
  /** Base URL, on 127.0.0.1 and a free port. */
  url: string;
  close(): Promise<void>;
}

/**
 * Opens the engine's two routes on a port of their own that only this machine reaches, so that the
 * server's public port need not serve them.
 */
export async function openDelivery(engine: {
  flow: EngineHandler;
  step: EngineHandler;
}): Promise<Delivery> {
  const app = new H3()
    .post("/.well-known/workflow/v1/flow", ({ req }) => engine.flow({ req }))
    .post("/.well-known/workflow/v1/step", ({ req }) => engine.step({ req }));
  const server = createServer(toNodeHandler(app));
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  server.unref();
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
