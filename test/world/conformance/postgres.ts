import { assemblePostgresWorld } from "../../../src/runtime/postgres-world.ts";
import { startEmptyPostgres } from "../../_support/postgres.ts";
import type { World } from "./rule.ts";
import type { Fixture } from "./suite.ts";

/** Our World on a Postgres of its own, without tables. It delivers in this process, so nothing is mounted. */
export async function createPostgres(): Promise<Fixture> {
  const postgres = await startEmptyPostgres();
  const open = () => assemblePostgresWorld({ WORKFLOW_POSTGRES_URL: postgres.url });
  let opened = open();
  const world = () => ({ ...opened.world, start: opened.start }) as World;
  return {
    world: world(),
    async reopen() {
      await opened.close();
      opened = open();
      return world();
    },
    async close() {
      await opened.close();
      await postgres.stop();
    },
  };
}
