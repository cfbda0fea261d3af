import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { type Answer, send, until } from "../_support/api.ts";
import { type TestServer, workDir } from "../_support/app.ts";
import { createFleet, regions } from "../_support/fleet.ts";
import { passing } from "../_support/runner-server.ts";
import { beginService, startService } from "../_support/service.ts";

const SEED = 5;
const ROUNDS = 20;
const CLIENTS = 4;

const fleet = createFleet();
let service: TestServer | undefined;
afterEach(async () => {
  await service?.stop("SIGKILL");
  await fleet.stop();
});

/** A run that was acknowledged, and all that was said of it. */
interface Known {
  runId: string;
  remote: boolean;
  /** Ids of acknowledged checkpoints, by what was posted. */
  checkpoints: Map<string, number>;
  /** Ids of jobs whose end was told, with their results. */
  ends: Map<string, unknown>;
}

test(
  `kill -9 under load, ${ROUNDS} times on one folder: nothing that was acknowledged is lost`,
  { timeout: 120_000 },
  async () => {
    const random = randomOf(SEED);
    /** Keys of attempts in the order they came. */
    const keys: string[] = [];
    const runner = await fleet.runnerServer(async (received, response) => {
      keys.push(received.key!);
      await delay(random() < 0.3 ? 60 : 2);
      passing(received, response);
    });
    const cwd = workDir();
    await mkdir(cwd, { recursive: true });
    await writeFile(
      join(cwd, "runners.mjs"),
      "export const check = () => new Promise((resolve) => setTimeout(resolve, 15, { status: 'pass' }));\n",
    );
    const known: Known[] = [];
    /** Places in `keys` when a job's end was told: none of its attempts may come later. */
    const toldAt = new Map<string, number>();

    for (let round = 0; round < ROUNDS; round++) {
      const options = { cwd, env: regions({ eu: runner }) };
      // Now and then while it takes up what the crash before has left.
      if (random() < 0.2) {
        const starting = await beginService(options);
        await delay(200 + random() * 300);
        await starting.stop("SIGKILL");
      }
      service = await startService(options);
      const { url, child } = service;
      const over = new AbortController();
      // After so many answers: half of the times in the very moment of one, else a little later.
      let left = 1 + Math.floor(random() * 60);
      const later = random() < 0.5 ? 0 : random() * 20;
      const kill = (): void => void child.kill("SIGKILL");
      const acknowledged = (): void => {
        if (--left > 0) return;
        if (later === 0) kill();
        else setTimeout(kill, later);
      };
      const told = (key: string): void => void toldAt.set(key, keys.length);
      const clients = Array.from({ length: CLIENTS }, () =>
        client(url, random, over.signal, { known, told, acknowledged }),
      );
      await Promise.race([once(child, "exit"), delay(2000)]);
      await service.stop("SIGKILL");
      over.abort();
      await Promise.all(clients);
    }
    service = await startService({ cwd, env: regions({ eu: runner }) });
    const { url } = service;
    expect(known.length).toBeGreaterThan(ROUNDS * 3);

    for (const { runId, remote, checkpoints, ends } of known) {
      const results = await ended(url, runId);
      expect(results).toMatchObject({ state: "completed", summary: { total: 3, passed: 3 } });
      for (const [jobId, result] of ends) {
        expect(results.jobs).toContainEqual(expect.objectContaining({ jobId, results: result }));
        if (!remote) continue;
        const key = `${runId}/${jobId}`;
        expect(keys.slice(toldAt.get(key)), key).not.toContain(key);
      }
      const { body } = await send(`${url}/runs/${runId}/checkpoints`);
      const kept = body.checkpoints as { id: string; ts: string; data: number }[];
      const byId = new Map(kept.map(({ id, data }) => [id, data]));
      for (const [id, data] of checkpoints) expect(byId.get(id)).toBe(data);
      // Once each, and in one order for all time.
      expect(byId.size).toBe(kept.length);
      expect(kept.map(({ ts }) => ts)).toEqual([...new Set(kept.map(({ ts }) => ts))].toSorted());
    }
    const told = known.reduce((sum, { ends }) => sum + ends.size, 0);
    const posted = known.reduce((sum, { checkpoints }) => sum + checkpoints.size, 0);
    expect(told).toBeGreaterThan(ROUNDS);
    expect(posted).toBeGreaterThan(ROUNDS);
  },
);

/** Starts runs, posts checkpoints to them and reads their results, until the service is gone. */
async function client(
  url: string,
  random: () => number,
  over: AbortSignal,
  notes: { known: Known[]; told: (key: string) => void; acknowledged: () => void },
): Promise<void> {
  for (;;) {
    const remote = random() < 0.5;
    const submitted = await attempt(`${url}/runs?mode=${remote ? "remote" : "local"}`, over, {
      runners: ["a", "b", "c"].map((path) => ({
        name: "check",
        ...(remote && { region: "eu" }),
        input: { url: `https://example.com/${path}` },
      })),
    });
    if (!submitted) return;
    expect(submitted).toMatchObject({ status: 201 });
    const runId = submitted.body.runId as string;
    const run: Known = { runId, remote, checkpoints: new Map(), ends: new Map() };
    notes.known.push(run);
    notes.acknowledged();
    for (let step = 0; step < 3; step++) {
      const data = Math.floor(random() * 1e9);
      const posted = await attempt(`${url}/runs/${runId}/checkpoints`, over, {
        type: "seen",
        data,
      });
      if (!posted) return;
      if (posted.status === 201) run.checkpoints.set(posted.body.checkpointId as string, data);
      else expect(posted.status).toBe(409);
      notes.acknowledged();
      await delay(random() * 20);
      const read = await attempt(`${url}/api/orchestrator/${runId}`, over);
      if (!read) return;
      expect(read.status).toBe(200);
      for (const { jobId, state, results } of read.body.jobs as Record<string, string>[]) {
        if (state !== "completed") continue;
        run.ends.set(jobId!, results);
        notes.told(`${runId}/${jobId}`);
      }
      notes.acknowledged();
    }
  }
}

/** What a request was answered with; nothing where the service is gone before it has answered in full. */
async function attempt(url: string, over: AbortSignal, body?: object): Promise<Answer | undefined> {
  try {
    return await send(url, body);
  } catch (error) {
    if (error instanceof TypeError || error instanceof SyntaxError) {
      // It is killed in a moment where it has not been yet; any other reason would be a fault.
      await until(() => over.aborted, 5000, "the end of the service");
      return undefined;
    }
    throw error;
  }
}

/** A run's results once it has ended. */
async function ended(url: string, runId: string): Promise<any> {
  let results: any;
  await until(
    async () => {
      results = (await send(`${url}/api/orchestrator/${runId}`)).body;
      return results.state !== "running" && results.state !== "queued";
    },
    20_000,
    `the end of ${runId}`,
  );
  return results;
}

/** Numbers in [0, 1) that are the same each time (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
