import { createRequire } from "node:module";
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { expect, inject, onTestFinished, test } from "vitest";
import { send } from "../_support/api.ts";
import { startServer, workDir } from "../_support/app.ts";
import { framesOf } from "../_support/events.ts";
import { regionalRun, startHeldServer } from "../_support/held-server.ts";

const requireHere = createRequire(import.meta.url);

/** Validates by a schema as a user of the package gets it, as strictly as Ajv does. */
function validatorOf(name: string): (value: unknown) => void {
  const ajv = new Ajv2020({ strict: true, allErrors: true });
  addFormats.default(ajv);
  const validate = ajv.compile(requireHere(`../../schemas/${name}.schema.json`));
  return (value) => {
    expect(validate(value) || ajv.errorsText(validate.errors), JSON.stringify(value)).toBe(true);
  };
}

const [isRun, isCheckpoint, isEvent] = ["run", "checkpoint", "event"].map(validatorOf);

test("runs, checkpoints and events are as the published schemas have them", async () => {
  const runner = await startHeldServer();
  onTestFinished(runner.close);
  const server = await startServer(inject("fixtureOutput"), workDir(), {
    PLAYWRIGHT_RUNNERS: JSON.stringify({ eu: runner.url }),
  });
  onTestFinished(() => void server.stop("SIGKILL"));
  const runs = `${server.url}/api/orchestrator/runs`;
  const create = async (body: object): Promise<string> => {
    const headers = { "x-actor-id": "ada" };
    const { status, body: answer } = await send(runs, body, { headers });
    expect(status).toBe(201);
    return answer.runId as string;
  };

  // Runs over regions, of which one is canceled; a local one, which logs; one of the app's own workflows.
  const about = { tags: ["nightly"], metadata: { any: [{ thing: 1 }], none: null } };
  const regional = await create({ ...regionalRun(["fast", "slow"]), ...about, runId: "mine" });
  const ended = await create(regionalRun(["fast"]));
  const local = await create({
    mode: "local",
    runners: [{ name: "greets", input: { url: `${runner.url}/info` } }],
  });
  const own = await create({ workflow: "sleeper", input: 600, ...about });
  const streams = [regional, ended, local, own].map((id) => framesOf(`${runs}/${id}/events`));
  const data = [undefined, null, 0, "text", [1], { any: { thing: true } }];
  for (const id of [regional, own]) {
    for (const one of data) {
      const { status } = await send(`${runs}/${id}/checkpoints`, { type: "noted", data: one });
      expect(status).toBe(201);
    }
  }
  await expect.poll(() => runner.inFlight()).toBe(1);
  for (const id of [regional, own]) await send(`${runs}/${id}`, undefined, { method: "DELETE" });

  const told = await Promise.all(streams);
  const late = await Promise.all(
    [regional, own].map((id) => framesOf(`${runs}/${id}/events?replay=100`)),
  );
  const frames = [...told, ...late].flatMap((stream) => stream.frames);
  for (const frame of frames) isEvent!(frame);
  expect(new Set(frames.map(({ event }) => event))).toEqual(
    new Set(["hello", "status", "checkpoint", "job", "log"]),
  );
  for (const id of [regional, own]) {
    const { checkpoints } = (await send(`${runs}/${id}/checkpoints`)).body;
    expect(checkpoints).toHaveLength(data.length);
    for (const checkpoint of checkpoints) isCheckpoint!(checkpoint);
  }
  const listed = (await send(runs)).body.runs;
  expect(listed.map(({ status }: { status: string }) => status).toSorted()).toEqual([
    "canceled",
    "canceled",
    "completed",
    "completed",
  ]);
  for (const run of listed) {
    isRun!(run);
    isRun!((await send(`${runs}/${run.id}`)).body.run);
  }
});
