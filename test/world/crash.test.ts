import { spawn } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createEmbeddedWorld } from "../../src/world/index.ts";
import { openLmdbStore } from "../../src/world/lmdb-store.ts";
import { bundledChild } from "./bundled-child.ts";
import { violations } from "./invariants.ts";
import { driveEngine } from "./small-engine.ts";
import { until } from "./support.ts";

const KILLS = 200;
/** Processes at a time, each with a folder of its own. */
const LANES = 2;
/** Kills until a lane goes on in a fresh folder, so that looking at everything stays quick. */
const KILLS_A_FOLDER = 20;

const { dir, child } = bundledChild("crash-child.ts");

/** What a process said before it was killed. */
interface Said {
  events: { runId: string; eventId: string }[];
  claims: { claim: string; runIds: string[] }[];
}

/** Runs the process on a folder, and kills it some time after it has begun to work. */
async function killed(dataDir: string, seed: string, afterMs: number): Promise<Said> {
  const running = spawn(process.execPath, [child, dataDir, seed], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  let errors = "";
  let ready!: () => void;
  const begun = new Promise<void>((resolve) => (ready = resolve));
  running.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
    if (output.includes("\n")) ready();
  });
  running.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
  const closed = new Promise<string | null>((resolve) => {
    running.once("close", (_code, signal) => {
      ready();
      resolve(signal);
    });
  });
  await begun;
  await new Promise((resolve) => setTimeout(resolve, afterMs));
  running.kill("SIGKILL");
  // It must have been killed, and not have ended by itself.
  expect(await closed, errors).toBe("SIGKILL");
  expect(errors).toBe("");
  // What stands behind the last line break was cut off.
  const lines = output.split("\n").slice(0, -1);
  const said = lines.map((line) => JSON.parse(line) as object);
  return {
    events: said.filter((line) => "eventId" in line) as Said["events"],
    claims: said.filter((line) => "claim" in line) as Said["claims"],
  };
}

/** Looks at a folder from outside, as the process left it. */
function inspect(dataDir: string, said: Said): Promise<void> {
  const store = openLmdbStore({ dataDir, readOnly: true });
  const lost = said.events.filter(
    ({ runId, eventId }) => store.get(`event/${runId}/${eventId}`) === undefined,
  );
  expect(lost, "acknowledged and lost").toEqual([]);
  expect(violations(store)).toEqual([]);
  return store.close();
}

/** Lets a World finish what the last process began. */
async function finish(dataDir: string, claims: Map<string, string>): Promise<void> {
  const world = createEmbeddedWorld({ dataDir });
  const engine = driveEngine(world);
  await world.start();
  await until(async () => {
    const open = await Promise.all(
      (["pending", "running"] as const).map((status) => world.runs.list({ status })),
    );
    return open.every(({ data }) => data.length === 0);
  }, 30_000);
  // A crash uses up no attempt, however often it cut a step off.
  const { data } = await world.runs.list({ pagination: { limit: 1000 } });
  for (const { runId } of data) {
    const steps = await world.steps.list({ runId });
    expect(steps.data.map(({ attempt }) => attempt)).toEqual([1, 1, 1]);
  }
  for (const [key, runId] of claims) expect(await engine.start(key)).toEqual({ runId });
  await world.close();
  await inspect(dataDir, { events: [], claims: [] });
}

async function lane(number: number, kills: number): Promise<number> {
  let acknowledged = 0;
  for (let first = 0; first < kills; first += KILLS_A_FOLDER) {
    const dataDir = join(dir, `data-${number}-${first}`);
    const claims = new Map<string, string>();
    for (let count = first; count < Math.min(kills, first + KILLS_A_FOLDER); count++) {
      const said = await killed(dataDir, `${number}-${count}`, Math.random() * 60);
      acknowledged += said.events.length;
      for (const { claim, runIds } of said.claims) {
        expect(new Set(runIds).size, "one key, one run").toBe(1);
        claims.set(claim, runIds[0]!);
      }
      await inspect(dataDir, said);
    }
    await finish(dataDir, claims);
  }
  return acknowledged;
}

test(`a process killed ${KILLS} times under load loses and doubles nothing`, async () => {
  const counts = await Promise.all(
    Array.from({ length: LANES }, (_, number) => lane(number, KILLS / LANES)),
  );
  // Otherwise the processes were killed before they did anything, and nothing was tried.
  expect(counts.reduce((sum, count) => sum + count)).toBeGreaterThan(KILLS);
}, 240_000);
