import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { keys } from "../../src/world/keys.ts";
import { openLmdbStore } from "../../src/world/lmdb-store.ts";
import { append, createRun, folder, openWorld, sleep } from "./support.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const dir = join(root, ".tmp", `owner-${process.pid}`);

beforeAll(async () => {
  await mkdir(dir, { recursive: true });
  await build({
    stdin: {
      contents: `
        import { createEmbeddedWorld } from "./src/world/index.ts";
        const world = createEmbeddedWorld({ dataDir: process.argv[2] });
        await world.start();
        console.log("started");
        setInterval(() => undefined, 1000);`,
      resolveDir: root,
      loader: "ts",
    },
    outfile: join(dir, "holder.mjs"),
    bundle: true,
    format: "esm",
    platform: "node",
    packages: "external",
    logLevel: "error",
  });
});

afterAll(() => rm(dir, { recursive: true, force: true }));

/** Another process that holds a folder. */
async function holder(dataDir: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, [join(dir, "holder.mjs"), dataDir], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  await once(child.stdout!, "data");
  return child;
}

test("a second process is refused, by folder and pid, until the first is killed", async () => {
  const dataDir = await folder();
  const child = await holder(dataDir);
  const refused = await openWorld({ dataDir });
  const message = `the World in ${dataDir} is in use by process ${child.pid}`;
  await expect(refused.start()).rejects.toThrow(message);
  await expect(createRun(refused)).rejects.toThrow(message);
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
  const world = await openWorld({ dataDir });
  await world.start();
  await createRun(world);
});

test("a killed process that its parent has not collected does not stand in the way", async () => {
  const dataDir = await folder();
  // `sleep` takes the shell's place and never asks after the child it has inherited.
  const command = `"$0" "$1" "$2" & echo "pid $!"; exec sleep 60`;
  const args = ["-c", command, process.execPath, join(dir, "holder.mjs"), dataDir];
  const parent = spawn("sh", args, { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => void parent.kill("SIGKILL"));
  let output = "";
  parent.stdout.setEncoding("utf8").on("data", (chunk: string) => (output += chunk));
  await vi.waitFor(() => expect(output).toContain("started"), 10_000);
  const pid = Number(/pid (\d+)/.exec(output)![1]);
  process.kill(pid, "SIGKILL");
  const world = await openWorld({ dataDir });
  // Until the kill has taken effect, the folder is rightly refused.
  await vi.waitFor(async () => expect(await refusal(dataDir)).toBeUndefined(), 10_000);
  expect(() => process.kill(pid, 0)).not.toThrow();
  await world.start();
  await createRun(world);
});

/** Why a folder cannot be taken now, if it cannot. */
async function refusal(dataDir: string): Promise<string | undefined> {
  const world = await openWorld({ dataDir });
  const why = await world.start().then(
    () => undefined,
    (error: Error) => error.message,
  );
  await world.close();
  return why;
}

test("a reader beside the writer sees what is stored, and stores nothing", async () => {
  const dataDir = await folder();
  const world = await openWorld({ dataDir });
  await world.start();
  const runId = await createRun(world);
  const reader = await openWorld({ dataDir, readOnly: true });
  await reader.start();
  expect((await reader.runs.get(runId)).status).toBe("pending");
  await append(world, runId, "run_started");
  expect((await reader.runs.get(runId)).status).toBe("running");
  await expect(createRun(reader)).rejects.toThrow("open for reading only");
});

test("a reader of an empty folder is told that there is nothing", async () => {
  const dataDir = await folder();
  const reader = await openWorld({ dataDir, readOnly: true });
  await expect(reader.runs.list()).rejects.toThrow(`no World to read in ${dataDir}`);
});

test("a pid that is in use again, by another process, does not block", async () => {
  const dataDir = await folder();
  const first = await openWorld({ dataDir });
  await first.start();
  await first.close();
  const store = openLmdbStore({ dataDir, readOnly: false });
  // This process's parent lives, but was not started when the name says.
  const { hostname } = await import("node:os");
  const owner = { pid: process.ppid, host: hostname(), started: "long ago", instance: "x" };
  await store.write([{ key: keys.owner, value: owner }]);
  await store.close();
  const world = await openWorld({ dataDir });
  await world.start();
});

test("in one process the newer World takes over, and the older stores nothing more", async () => {
  const dataDir = await folder();
  const older = await openWorld({ dataDir });
  await older.start();
  const newer = await openWorld({ dataDir });
  await newer.start();
  // A World that writes looks every 50 ms.
  await sleep(60);
  await expect(createRun(older)).rejects.toThrow("a newer World of this process");
  await createRun(newer);
});
