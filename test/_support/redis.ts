import { spawnSync } from "node:child_process";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort, type Running, startProcess } from "./process.ts";

/** A real Redis of a test's own, in memory alone unless it is to be persistent. */
export interface TestRedis {
  url: string;
  /** Lets it stand still, as a host does that is out of memory or out of reach. */
  freeze(): void;
  /** Ends it at once. */
  kill(): Promise<void>;
  /** Starts it again on the same port, with nothing in it, or with all where it is persistent. */
  restart(): Promise<void>;
}

/** Whether a test can have one. Where `CI` is set it must: a Redis that is missing is then a failure. */
export const hasRedis: boolean =
  Boolean(process.env.CI) || spawnSync("redis-server", ["--version"]).status === 0;

/** Starts one on a free port; a persistent one stores every write before it answers. */
export async function startRedis({ persistent = false } = {}): Promise<TestRedis> {
  const port = await freePort();
  const folder = persistent ? await mkdtemp(join(tmpdir(), "redis-")) : tmpdir();
  const stored = persistent ? ["yes", "--appendfsync", "always"] : ["no"];
  let running: Running;
  const start = async (): Promise<void> => {
    const where = ["--bind", "127.0.0.1", "--port", String(port)];
    running = startProcess(
      "redis-server",
      [...where, "--save", "", "--appendonly", ...stored],
      folder,
    );
    await running.printed(/Ready to accept connections/, 10_000);
  };
  await start();
  return {
    url: `redis://127.0.0.1:${port}`,
    freeze: () => void running.child.kill("SIGSTOP"),
    kill: async () => void (await running.stop("SIGKILL")),
    restart: start,
  };
}
