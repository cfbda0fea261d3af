import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLocalWorld } from "@workflow/world-local";
import { createWorld as createPostgresWorld } from "@workflow/world-postgres";
import { Client } from "pg";
import { openDelivery } from "../../../src/runtime/delivery.ts";
import { startPostgres } from "../../_support/postgres.ts";
import type { World } from "./rule.ts";
import type { Fixture } from "./suite.ts";
import { sleep } from "./support.ts";

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

/** The engine's Postgres World on a server of its own. */
export async function createPostgres(): Promise<Fixture> {
  const postgres = await startPostgres();
  const loopback = await openLoopback();
  // It reads nothing else; each test file has a process of its own, so nobody else sees this.
  process.env.WORKFLOW_LOCAL_BASE_URL = loopback.url;
  const open = () => createPostgresWorld({ connectionString: postgres.url, queueConcurrency: 50 });
  let world = open();
  return {
    world: world as World,
    mount: loopback.mount,
    async reopen() {
      await world.close?.();
      world = open();
      return world as World;
    },
    async close() {
      await world.close?.();
      await loopback.close();
      await disconnected(postgres.url);
      await postgres.stop();
    },
  };
}

/** Waits for the server to be rid of a closed World's connections, which end after `close` resolves. */
async function disconnected(url: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  const others =
    "select 1 from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()";
  while ((await client.query(others)).rows.length > 0) {
    await sleep(20);
  }
  await client.end();
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
