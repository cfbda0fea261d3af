// The `workflow` package on its Worlds, through our API: one built app, told apart by the environment.
import { execPath } from "node:process";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createApp } from "../app.mjs";
import { durability, startPostgres } from "../postgres.mjs";
import { ownVersion } from "../report.mjs";
import { folder, root, start } from "../scratch.mjs";
import { twoSteps } from "../workflows.mjs";

/** The built app, shared by all. */
let built;

const files = {
  ...twoSteps,
  "workflows/fan.ts": `export async function fan() {
  "use workflow";
  const all = await Promise.all(Array.from({ length: 100 }, (_, n) => one(n)));
  return all.reduce((sum, n) => sum + n, 0);
}
async function one(n: number) {
  "use step";
  return n;
}
`,
};

async function buildApp() {
  const app = await createApp(files);
  await app.build();
  return app;
}

function peer({ title, about, env = {}, versions = [], backend }) {
  let store;
  return {
    title,
    async prepare() {
      built ??= buildApp();
      await built;
      return {
        about: () => (typeof about === "function" ? about(store) : about),
        versions: Object.fromEntries(
          await Promise.all(versions.map(async (name) => [name, await ownVersion(name)])),
        ),
      };
    },
    async open() {
      // A fresh folder each time, since the local World slows with what it has stored.
      const cwd = await folder("data");
      const behind = await backend?.(cwd);
      const server = await (
        await built
      ).start({
        cwd,
        env: { ...env, ...behind, ORCHESTRATOR_DATA_DIR: join(cwd, ".orchestrator") },
      });
      return {
        run: (name) => run(`${server.url}/api/orchestrator/${name}`),
        async close() {
          store = await readdir(join(cwd, ".orchestrator"), { recursive: true }).catch(() => []);
        },
      };
    },
  };
}

/** Starts a run and waits for its result, as a client of ours does. */
async function run(base) {
  const started = await fetch(base, { method: "POST" });
  if (!started.ok) throw new Error(`start: ${started.status} ${await started.text()}`);
  const { runId } = await started.json();
  for (;;) {
    const response = await fetch(`${base}?runId=${runId}&wait=30`);
    const body = await response.json();
    if (response.status === 200) return body;
    if (response.status !== 202)
      throw new Error(`wait: ${response.status} ${JSON.stringify(body)}`);
  }
}

const http = "two requests of ours over HTTP: start, then a long poll";

export const ours = peer({
  title: "ours",
  // Read off what it left on the disk, so that the table cannot claim a store that was not used.
  about: (store = []) =>
    store.some((path) => path.endsWith("mdb"))
      ? `the built app's default World, on LMDB, committed before it is acknowledged; ${http}`
      : store.some((path) => path.endsWith(".json"))
        ? `the built app's default World, which in this build is the engine's local one; ${http}`
        : `the built app's default World; ${http}`,
});

export const engineLocal = peer({
  title: "engine, local World",
  about: `\`WORKFLOW_TARGET_WORLD=local\`: a JSON file an event, never fsynced; ${http}`,
  env: { WORKFLOW_TARGET_WORLD: "local" },
});

const postgres = "@workflow/world-postgres";

export const oursPostgres = peer({
  title: "ours, on Postgres",
  about: `\`WORKFLOW_TARGET_WORLD=${postgres}\`: that package's tables, our queue and streams, ${durability}; ${http}`,
  env: { WORKFLOW_TARGET_WORLD: postgres },
  versions: [postgres],
  backend: async () => ({ WORKFLOW_POSTGRES_URL: await startPostgres() }),
});

export const enginePostgres = peer({
  title: "engine, Postgres World",
  about: `the same package as it is, ${durability}, 10 workers (its default); ${http}`,
  versions: [postgres],
  async backend(cwd) {
    // Under another name, which we know nothing of, its queue and its streams are its own.
    const world = join(cwd, "postgres-as-it-is.mjs");
    await writeFile(world, `export * from "${postgres}";\n`);
    const env = { WORKFLOW_POSTGRES_URL: await startPostgres() };
    // Its migrations.
    await start(execPath, [join(root, "node_modules/.bin/bootstrap")], { cwd: root, env });
    return { ...env, WORKFLOW_TARGET_WORLD: world };
  },
});
