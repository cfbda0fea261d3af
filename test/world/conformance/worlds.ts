import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLocalWorld } from "@workflow/world-local";
import { openDelivery } from "../../../src/runtime/delivery.ts";
import type { World } from "./rule.ts";
import type { Fixture } from "./suite.ts";

type Route = (request: Request) => Promise<Response>;

/** The engine's local World on a folder of its own. */
export async function createLocal(): Promise<Fixture> {
  const dataDir = await mkdtemp(join(tmpdir(), "world-local-"));
  const loopback = await openLoopback();
  let world = createLocalWorld({ dataDir, baseUrl: loopback.url });
  return {
    world: world as World,
    mount: loopback.mount,
    async reopen() {
      await world.close?.();
      world = createLocalWorld({ dataDir, baseUrl: loopback.url });
      return world as World;
    },
    async close() {
      await world.close?.();
      await loopback.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** The engine's two routes on loopback, for Worlds that deliver over HTTP. */
async function openLoopback() {
  const routes: Record<"flow" | "step", Route> = { flow: unmounted, step: unmounted };
  const delivery = await openDelivery({
    flow: ({ req }) => routes.flow(req),
    step: ({ req }) => routes.step(req),
  });
  return {
    url: delivery.url,
    close: delivery.close,
    mount(route: "flow" | "step", handler: Route) {
      routes[route] = handler;
    },
  };
}

async function unmounted(): Promise<Response> {
  return new Response(null, { status: 503 });
}
