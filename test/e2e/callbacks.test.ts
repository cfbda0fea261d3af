import type { ServerResponse } from "node:http";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, inject, onTestFinished, test } from "vitest";
import { send, until } from "../_support/api.ts";
import { createApp, root, startServer, type TestServer, workDir } from "../_support/app.ts";
import { startNode } from "../_support/process.ts";
import {
  type Delivery,
  expectedSignature,
  type Receiver,
  startReceiver,
} from "../_support/receiver.ts";
import { type FakeRunnerServer, startRunnerServer } from "../_support/runner-server.ts";

const secret = "a secret of the server's own";
const own = Buffer.from("24 bytes of a caller's..");
const ownSecret = `whsec_${own.toString("base64")}`;

let runner: FakeRunnerServer;
let receiver: Receiver;
let server: TestServer;

beforeAll(async () => {
  runner = await startRunnerServer();
  receiver = await startReceiver(answer);
  server = await start(workDir());
});

afterAll(async () => {
  await server.stop("SIGKILL");
  await receiver.close();
  await runner.close();
});

/** Paths name what the receiver does. */
function answer({ path }: Delivery, response: ServerResponse): void {
  const isFirst = receiver.at(path).length === 1;
  if (path.startsWith("/redirects") && isFirst) {
    response.writeHead(307, { location: `${receiver.url}/elsewhere` }).end("{}");
  } else response.writeHead(path.startsWith("/gone") ? 410 : 202).end("thank you");
}

function start(cwd: string, env: Record<string, string> = {}): Promise<TestServer> {
  return startServer(inject("fixtureOutput"), cwd, {
    PLAYWRIGHT_RUNNERS: JSON.stringify({ eu: runner.url }),
    ORCHESTRATOR_CALLBACK_HOSTS: "127.0.0.1",
    ORCHESTRATOR_WEBHOOK_SECRET: secret,
    ...env,
  });
}

const regional = {
  mode: "remote",
  regions: ["eu"],
  runners: [{ name: "check", input: { url: "https://x.test/a" } }],
};

const runsOf = ({ url }: TestServer): string => `${url}/api/orchestrator/runs`;

async function submit(body: object, headers: Record<string, string> = {}): Promise<string> {
  const answer = await send(runsOf(server), body, { headers });
  expect(answer, JSON.stringify(answer.body)).toMatchObject({ status: 201 });
  return answer.body.runId as string;
}

async function delivered(path: string, count = 1, at = receiver): Promise<Delivery> {
  await until(() => at.at(path).length >= count, 15_000, `delivery ${count} at ${path}`);
  return at.at(path)[count - 1]!;
}

test("the end of a run over regions is told once, signed, with what came of it", async () => {
  const runId = await submit(
    { ...regional, runId: "nightly", callback: { url: `${receiver.url}/run?token=hush` } },
    { "x-actor-id": "ada" },
  );
  const delivery = await delivered("/run?token=hush");
  const { headers, body } = delivery;
  expect(headers).toMatchObject({
    "content-type": "application/json",
    "user-agent": expect.stringMatching(/^runners-orchestrator\/\d/),
    "webhook-id": expect.stringMatching(/^msg_wrun_\w{26}$/),
    "webhook-signature": expectedSignature(Buffer.from(secret), delivery),
  });
  expect(Math.abs(Number(headers["webhook-timestamp"]) - delivery.at / 1000)).toBeLessThan(5);
  const { run } = (await send(`${runsOf(server)}/${runId}`)).body;
  expect(run).toMatchObject({ id: "nightly", status: "completed", owner: "ada" });
  expect(body).toEqual({
    type: "run.completed",
    timestamp: run.completedAt,
    data: {
      run,
      results: {
        outcome: "pass",
        summary: { total: 1, passed: 1, failed: 0, errored: 0 },
        totalJobs: 1,
        completedJobs: 1,
        failedJobs: 0,
        regions: { eu: expect.objectContaining({ jobs: 1, passed: 1 }) },
        durationMs: expect.any(Number),
      },
    },
  });
});

test.each([
  ["greet", "run.completed", { input: { name: "Ada" } }],
  ["fail", "run.failed", { args: ["no luck"] }],
  ["approval", "run.canceled", { args: ["May I?"] }],
])("the end of the app's workflow %s is told as %s", async (workflow, type, body) => {
  const callback = { url: `${receiver.url}/${workflow}`, secret: ownSecret };
  const runId = await submit({ workflow, ...body, callback });
  if (type === "run.canceled") {
    await until(
      async () => (await send(`${runsOf(server)}/${runId}`)).body.run.state === "running",
    );
    await send(`${runsOf(server)}/${runId}`, undefined, { method: "DELETE" });
  }
  const delivery = await delivered(`/${workflow}`);
  expect(delivery.headers["webhook-signature"]).toBe(expectedSignature(own, delivery));
  const { run } = (await send(`${runsOf(server)}/${runId}`)).body;
  expect(delivery.body).toEqual({ type, timestamp: run.completedAt, data: { run } });
});

test("a repeated POST tells nothing twice, and another callback under its key is a conflict", async () => {
  const headers = { "idempotency-key": "once" };
  const body = { ...regional, callback: { url: `${receiver.url}/once` } };
  const first = await submit(body, headers);
  expect(await submit(body, headers)).toBe(first);
  await delivered("/once");
  // When the run has ended too.
  expect(await submit(body, headers)).toBe(first);
  const other = { ...body, callback: { url: `${receiver.url}/twice` } };
  expect((await send(runsOf(server), other, { headers })).status).toBe(409);
  const app = { workflow: "greet", input: { name: "Ada" }, callback: body.callback };
  const appHeaders = { "idempotency-key": "app" };
  await submit(app, appHeaders);
  await submit(app, appHeaders);
  const conflict = { ...app, callback: other.callback };
  expect((await send(runsOf(server), conflict, { headers: appHeaders })).status).toBe(409);
  await delivered("/once", 2);
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(receiver.at("/once")).toHaveLength(2);
  expect(receiver.at("/twice")).toHaveLength(0);
});

test("what fails is tried again, a redirect is not followed, and 410 is the end of it", async () => {
  const late = await startReceiver();
  await late.close();
  const urls = {
    down: `${late.url}/down?token=hush`,
    redirects: `${receiver.url}/redirects?token=hush`,
    gone: `${receiver.url}/gone`,
  };
  const runs: Record<string, string> = {};
  for (const [name, url] of Object.entries(urls)) {
    runs[name] = await submit({ workflow: "greet", input: { name }, callback: { url } });
  }
  const failed = (name: string, text: string): Promise<unknown> =>
    server.printed(
      new RegExp(`callback of run ${runs[name]} to 127\\.0\\.0\\.1:\\d+ failed ${text}`),
    );
  await failed("down", String.raw`\(attempt 1 of 9\): connect ECONNREFUSED .*; again in [56] s`);
  await failed("redirects", String.raw`\(attempt 1 of 9\): HTTP 307; again in [56] s`);
  await failed("gone", String.raw`\(attempt 1 of 9\): HTTP 410; given up`);
  const up = await startReceiver(undefined, late.port);
  onTestFinished(up.close);
  const [{ headers }] = [await delivered("/down?token=hush", 1, up)];
  expect(headers["webhook-id"]).toBe(`msg_${runs.down}`);
  const second = await delivered("/redirects?token=hush", 2);
  const [first] = receiver.at("/redirects?token=hush");
  expect(second.text).toBe(first!.text);
  expect(second.headers["webhook-id"]).toBe(first!.headers["webhook-id"]);
  expect(second.at - first!.at).toBeGreaterThan(4400);
  expect(second.headers["webhook-timestamp"]).not.toBe(first!.headers["webhook-timestamp"]);
  expect(second.headers["webhook-signature"]).toBe(expectedSignature(Buffer.from(secret), second));
  expect(receiver.at("/elsewhere")).toEqual([]);
  expect(receiver.at("/gone")).toHaveLength(1);
  // Nor does anybody learn a secret.
  const said = [server.output(), JSON.stringify((await send(`${runsOf(server)}?limit=100`)).body)];
  for (const text of said) {
    expect(text).not.toContain("hush");
    expect(text).not.toContain(secret);
    expect(text).not.toContain(ownSecret);
  }
});

test("the receiver of docs/callbacks.md takes what is signed, and nothing else", async () => {
  const guide = readFileSync(join(root, "docs/callbacks.md"), "utf8");
  const [, code] = /^```js\n(\/\/ receiver\.mjs\n.*?)^```$/ms.exec(guide)!;
  const app = await createApp({ files: { "receiver.mjs": code! } });
  onTestFinished(app.remove);
  const place = await startReceiver();
  await place.close();
  const running = startNode([join(app.dir, "receiver.mjs")], app.dir, {
    PORT: `${place.port}`,
    WEBHOOK_SECRET: ownSecret,
  });
  onTestFinished(() => void running.stop("SIGKILL"));
  const forged = (): Promise<number | undefined> =>
    fetch(place.url, { method: "POST", body: "{}" }).then(
      ({ status }) => status,
      () => undefined,
    );
  await until(async () => (await forged()) === 401);
  const callback = { url: place.url, secret: ownSecret };
  const runId = await submit({ workflow: "greet", input: { name: "Ada" }, callback });
  await running.printed(new RegExp(`run\\.completed: ${runId}`));
  const wrong = { ...callback, secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" };
  const refused = await submit({ workflow: "greet", input: { name: "Ada" }, callback: wrong });
  await server.printed(new RegExp(`callback of run ${refused} .*HTTP 401`));
});

test("killed with -9 while runs end and are told of, each end is told", async () => {
  const cwd = workDir();
  const before = await start(cwd);
  onTestFinished(() => void before.stop("SIGKILL"));
  const hold = await startReceiver(({ path }, response) => {
    // The process dies while it waits for this answer.
    if (path === "/0" && hold.at("/0").length === 1) return;
    response.writeHead(204).end();
  });
  onTestFinished(hold.close);
  const ids: string[] = [];
  for (let index = 0; index < 12; index++) {
    const callback = { url: `${hold.url}/${index}` };
    const { body } = await send(runsOf(before), { workflow: "approval", args: ["?"], callback });
    ids.push(body.runId as string);
  }
  const approve = (id: string): Promise<unknown> =>
    send(`${runsOf(before)}/${id}/checkpoints`, { type: "approved" });
  await approve(ids[0]!);
  await delivered("/0", 1, hold);
  // At every stage of its end one or another of them is cut off.
  const approvals = ids.slice(1).map(async (id, index) => {
    await new Promise((resolve) => setTimeout(resolve, index * 4));
    await approve(id);
  });
  await Promise.race([Promise.all(approvals), delivered("/3", 1, hold)]);
  await before.stop("SIGKILL");
  await Promise.allSettled(approvals);

  const after = await start(cwd);
  onTestFinished(() => void after.stop("SIGKILL"));
  // Some may have had no approval stored yet.
  for (const id of ids) await send(`${runsOf(after)}/${id}/checkpoints`, { type: "approved" });
  await until(() => ids.every((_, index) => hold.at(`/${index}`).length > 0));
  const [cut, again] = [hold.at("/0")[0]!, await delivered("/0", 2, hold)];
  expect(again.text).toBe(cut.text);
  for (const [index, id] of ids.entries()) {
    for (const { headers } of hold.at(`/${index}`)) {
      expect(headers["webhook-id"]).toBe(`msg_${id}`);
    }
  }
});
