import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createEmbeddedWorld } from "../../../src/world/index.ts";
import type { Fixture } from "./suite.ts";

/** Our World on a folder of its own. It delivers in this process, so nothing is mounted. */
export async function createEmbedded(): Promise<Fixture> {
  const dataDir = await mkdtemp(join(tmpdir(), "world-embedded-"));
  let world = createEmbeddedWorld({ dataDir });
  return {
    world,
    async reopen() {
      await world.close();
      world = createEmbeddedWorld({ dataDir });
      return world;
    },
    async close() {
      await world.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
