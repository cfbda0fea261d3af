import { afterEach, expect, inject, test } from "vitest";
import { send, until } from "../_support/api.ts";
import { startServer, workDir } from "../_support/app.ts";
import { framesOf, listen } from "../_support/events.ts";
import { silent } from "../runner/_support/lines.ts";
import { gate, serve } from "../runner/_support/serve.ts";
import type { RunnerContext } from "../../src/runner/index.ts";

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

/** An orchestrator, and a runner server whose runner tells something and waits to be let go. */
async function start() {
  silent();
  const end = gate();
  const tells = async (ctx: RunnerContext) => {
    ctx.log("checking", { n: 1 });
    ctx.checkpoint("begun", { n: 1 });
    await end.opened;
    ctx.checkpoint("done");
    return { status: "pass" };
  };
  const { base } = await serve({ runners: { tells } });
  const server = await startServer(inject("fixtureOutput"), workDir(), {
    PLAYWRIGHT_RUNNERS: JSON.stringify({ eu: base }),
  });
  stops.push(() => server.stop("SIGKILL"));
  return { runs: `${server.url}/api/orchestrator/runs`, end: end.open };
}

const types = (checkpoints: { type: string }[]): string[] => checkpoints.map(({ type }) => type);

test("what a runner notes is told to followers while it runs, and kept in order", async () => {
  const { runs, end } = await start();
  const runners = [{ name: "tells", input: { url: "https://x.test" } }];
  const { body } = await send(runs, { mode: "remote", regions: ["eu"], runners });
  const run = `${runs}/${body.runId}`;
  const listener = listen(`${run}/events?replay=100`);
  stops.push(listener.close);
  await until(() => listener.told.some(({ data }) => data.type === "begun"));
  expect((await send(run)).body.run.status).toBe("running");
  end();
  await listener.status("completed");
  const { frames } = await framesOf(`${run}/events?replay=100`);
  const story = frames.flatMap(({ event, data }) =>
    event === "job" ? data.state : event === "status" ? [] : (data.message ?? data.type ?? []),
  );
  expect(story).toEqual(["running", "checking", "begun", "done", "completed"]);
});

test("a workflow heeds what the runner of its own job notes while it runs", async () => {
  const { runs, end } = await start();
  const job = { url: "https://x.test", runners: ["tells"] };
  const { body } = await send(runs, { workflow: "heedsRunner", input: job });
  const run = `${runs}/${body.runId}`;
  const noted = async () => types((await send(`${run}/checkpoints`)).body.checkpoints);
  await until(async () => (await noted()).includes("heeded"));
  expect(await noted()).toEqual(["begun", "heeded"]);
  end();
  await until(async () => (await send(run)).body.run.status === "completed");
  expect(await noted()).toEqual(["begun", "heeded", "done"]);
});
