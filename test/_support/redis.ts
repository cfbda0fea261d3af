import { spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { freePort, type Running, startProcess } from "./process.ts";

/** A real Redis of a test's own, in memory alone. */
export interface TestRedis {
  url: string;
  /** Lets it stand still, as a host does that is out of memory or out of reach. */
  freeze(): void;
  /** Ends it at once. */
  kill(): Promise<void>;
  /** Starts it again on the same port, with nothing in it. */
  restart(): Promise<void>;
}

/** Whether a test can have one. Where `CI` is set it must: a Redis that is missing is then a failure. */
export const hasRedis: boolean =
  Boolean(process.env.CI) || spawnSync("redis-server", ["--version"]).status === 0;

/** Starts one on a free port. */
export async function startRedis(): Promise<TestRedis> {
  const port = await freePort();
  let running: Running;
  const start = async (): Promise<void> => {
    const where = ["--bind", "127.0.0.1", "--port", String(port)];
    running = startProcess(
      "redis-server",
      [...where, "--save", "", "--appendonly", "no"],
      tmpdir(),
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
