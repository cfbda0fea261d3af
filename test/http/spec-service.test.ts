import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { afterAll, expect, test } from "vitest";
import { createGuard } from "../../src/http/guard/guard.ts";
import { serveDocumentedApi } from "../_support/documented-api.ts";
import { framesOf, parseFrames } from "../_support/events.ts";
import { serveSpecApi } from "../_support/spec-api.ts";

const api = await serveSpecApi();
const { route, document, ask, post, examplesOf } = api;

afterAll(() => api.close());

const regional = {
  mode: "remote",
  regions: ["eu"],
  runners: [{ name: "checkTitle", input: { url: "https://example.com" } }],
};

test("requests of the service", async () => {
  const { examples } = document.paths[`${route}/runs`].post.requestBody.content["application/json"];
  for (const [name, { value }] of Object.entries<any>(examples)) {
    const { status, body } = await post("/runs", value);
    expect(status, `${name}: ${JSON.stringify(body)}`).toBe(name === "planned" ? 200 : 201);
  }
  const { runId } = (await post("/runs", examples.overRegions.value)).body;
  const checkpoint = document.paths[`${route}/runs/{id}/checkpoints`].post.requestBody;
  const [approved] = Object.values<any>(checkpoint.content["application/json"].examples);
  expect((await post(`/runs/${runId}/checkpoints`, approved.value)).status).toBe(201);
});

test("errors of the service", async () => {
  const lists = examplesOf("/runs", "get", 400);
  expect((await ask("/runs?limit=1000")).body).toEqual(lists.wrongLimit!.value);
  expect((await ask("/runs?state=done")).body).toEqual(lists.wrongState!.value);
  expect((await ask("/runs?since=yesterday")).body).toEqual(lists.wrongTime!.value);

  const created = examplesOf("/runs", "post", 400);
  const runner = { name: "checkTitle" };
  const withUrl = { ...runner, input: { url: "https://example.com" } };
  const { notJson, wrongPath: _path, wrongActor, modeOfOther, ...rest } = created;
  const bodies: Record<string, unknown> = {
    noRunners: { mode: "remote" },
    wrongConcurrency: { mode: "remote", runners: [runner], concurrency: 0 },
    noRegion: { mode: "remote", runners: [withUrl] },
    noUrl: { mode: "local", runners: [runner] },
    noExecutor: { mode: "redis", runners: [withUrl] },
    unknownWorkflow: { workflow: "nope" },
    wrongMetadata: { metadata: "nightly" },
    wrongCallback: { callback: { url: "/hooks/runs" } },
  };
  expect(Object.keys(rest).toSorted()).toEqual(Object.keys(bodies).toSorted());
  for (const [name, body] of Object.entries(bodies)) {
    expect((await post("/runs", body)).body, name).toEqual(created[name]!.value);
  }
  const broken = await ask("/runs", { method: "POST", body: "{" });
  expect([broken.status, Object.keys(broken.body)]).toEqual([400, Object.keys(notJson!.value)]);
  const nobody = { method: "POST", body: "{}", headers: { "x-actor-id": "" } };
  expect((await ask("/runs", nobody)).body).toEqual(wrongActor!.value);
  const moded = (await post("/runs?mode=local", { workflow: "report" })).body;
  expect({ ...moded, error: moded.error.replace("report", "nope") }).toMatchObject({
    error: modeOfOther!.value.error,
  });
  const rerun = await post("/runs", { rerun: "nightly-2026-11-19" });
  expect(rerun.body).toEqual(examplesOf("/runs", "post", 404).unknownRun!.value);
  const other = {
    mode: "local",
    runners: [{ ...runner, input: { url: "https://other.example" } }],
  };
  await post("/runs", { ...other, runId: "nightly-2026-11-20" });
  const taken = await post("/runs", {
    mode: "local",
    runners: [withUrl],
    runId: "nightly-2026-11-20",
  });
  expect(taken.body).toEqual(examplesOf("/runs", "post", 409).runIdTaken!.value);
  const stray = await post("/runs", { workflow: "stray", input: 1 });
  const { error } = examplesOf("/runs", "post", 501).notCompiled!.value;
  expect([stray.status, stray.body.error]).toEqual([
    501,
    expect.stringContaining(error.slice(error.indexOf(" "))),
  ]);
});

test("errors of one run", async () => {
  const nobody = examplesOf("/runs/{id}", "get", 404).unknownRun!.value;
  for (const path of ["", "/checkpoints", "/events"]) {
    expect((await ask(`/runs/nobody${path}`)).body).toEqual(nobody);
    expect(examplesOf(`/runs/{id}${path}`, "get", 404).unknownRun!.value).toEqual(nobody);
  }
  const checkpoints = "/runs/{id}/checkpoints";
  const wrong = examplesOf(checkpoints, "post", 400);
  const add = (body: unknown) => post(`/runs/${runId}/checkpoints`, body);
  const { runId } = (await post("/runs", regional)).body;
  expect((await add({ type: "" })).body).toEqual(wrong.wrongType!.value);
  expect((await add({ type: "approved", by: "ada" })).body).toEqual(wrong.wrongField!.value);
  api.finish(runId, "completed");
  expect((await add({ type: "late" })).body).toEqual(
    examplesOf(checkpoints, "post", 409).runEnded!.value,
  );
  expect((await ask(`/runs/${runId}`, { method: "DELETE" })).body).toEqual(
    examplesOf("/runs/{id}", "delete", 409).ended!.value,
  );
  expect((await ask(`/runs/${runId}/events?replay=101`)).body).toEqual(
    examplesOf("/runs/{id}/events", "get", 400).wrongReplay!.value,
  );
  for (const [path, item] of Object.entries<any>(document.paths)) {
    if (!path.includes("/runs/{id}")) continue;
    for (const method of Object.keys(item)) {
      const { body } = await ask(path.slice(route.length).replace("{id}", "%zz"), {
        method: method.toUpperCase(),
      });
      expect(body).toEqual(examplesOf(path.slice(route.length), method, 400).wrongPath!.value);
    }
  }
});

test("errors of what is too large", async () => {
  const { longQuery } = examplesOf("/runs", "get", 414);
  expect((await ask(`/runs?tag=${"x".repeat(8200)}`)).body).toEqual(longQuery!.value);
  const headers = { a: "x".repeat(8190), b: "x".repeat(8190) };
  // Not over the network, where Node itself is first to refuse it.
  const answer = await api.handler(new Request(`${api.base}/runs`, { headers }));
  expect([answer.status, await answer.json()]).toEqual([
    431,
    examplesOf("/runs", "get", 431).largeHeaders!.value,
  ]);
});

test("errors of who has no key, or too little of one, or sent too much", async () => {
  const guard = createGuard({
    keys: [{ name: "reader", key: "secret", scopes: ["read"] }],
    rateLimit: { window: 12_000, max: 3, trustProxy: 0, of: "requests" },
  });
  const guarded = await serveDocumentedApi({ guard, service: "" });
  const headers = { "x-api-key": "secret", "content-type": "application/json" };
  const { components }: any = await (await fetch(`${guarded.base}/spec.json`, { headers })).json();
  const exampleOf = (status: number, name: string): unknown =>
    components.responses[`WorkflowError${status}`].content["application/json"].examples[name].value;
  const answers = [
    await fetch(new URL("/runs", guarded.base)),
    await fetch(`${guarded.base}/runs`, { method: "POST", headers, body: "{}" }),
    await fetch(`${guarded.base}/runs`, { headers }),
    await fetch(`${guarded.base}/runs`, { headers }),
  ];
  expect(answers.map(({ status }) => status)).toEqual([401, 403, 200, 429]);
  const [unknown, forbidden, , tooMany] = await Promise.all(answers.map((one) => one.json()));
  expect(unknown).toEqual(exampleOf(401, "noKey"));
  expect(forbidden).toEqual(exampleOf(403, "lacksScope"));
  expect(tooMany).toEqual(exampleOf(429, "tooMany"));
  await guarded.close();
});

test("what operators are answered while runs are not taken up", async () => {
  const readiness = () => ({ ready: false, reason: "The orchestrator is shutting down" });
  const closing = await serveDocumentedApi({ readiness });
  const answer = await fetch(`${closing.base}/ready`);
  const { notReady } = examplesOf("/ready", "get", 503);
  expect([answer.status, await answer.json()]).toEqual([503, notReady!.value]);
  await closing.close();
});

test("what the service answers is valid by the document, its stream by the events of it", async () => {
  const ajv = new Ajv2020({ strict: false });
  addFormats.default(ajv);
  ajv.addSchema({ $id: "spec", components: document.components });
  const check = (path: string, method: string, { status, body }: any) => {
    const { content } = document.paths[route + path][method].responses[status];
    const text = JSON.stringify(content["application/json"].schema).replaceAll('"#/', '"spec#/');
    const validate = ajv.compile(JSON.parse(text));
    expect(validate(body) || ajv.errorsText(validate.errors), `${method} ${path}`).toBe(true);
    return body;
  };
  check("/runs", "post", await post("/runs", { ...regional, mode: "plan" }));
  const { runId } = check("/runs", "post", await post("/runs", regional));
  check("/runs/{id}/checkpoints", "post", await post(`/runs/${runId}/checkpoints`, { type: "a" }));
  check("/runs/{id}/events/token", "post", await post(`/runs/${runId}/events/token`, {}));
  check("/runs/{id}/checkpoints", "get", await ask(`/runs/${runId}/checkpoints`));
  check("/runs/{id}", "get", await ask(`/runs/${runId}`));
  check("/runs", "get", await ask("/runs?limit=1"));
  check("/health", "get", await ask("/health"));
  check("/ready", "get", await ask("/ready"));

  const stream = framesOf(`${api.base}/runs/${runId}/events`);
  const { id: jobId } = api.of(runId).input.jobs[0]!;
  api.journal(runId, { type: "job.started", jobId, at: 1 });
  api.journal(runId, { type: "log", at: 1, message: "looked", jobId, meta: { any: 1 } });
  check("/runs/{id}", "delete", await ask(`/runs/${runId}`, { method: "DELETE" }));
  const { frames } = await stream;
  const isEvent = ajv.compile({ $ref: "spec#/components/schemas/RunEvent" });
  for (const frame of frames) expect(isEvent(frame), JSON.stringify(frame)).toBe(true);
  expect(new Set(frames.map(({ event }) => event))).toEqual(
    new Set(["hello", "checkpoint", "job", "log", "status"]),
  );
  const events = document.paths[`${route}/runs/{id}/events`].get.responses[200].content;
  const { examples } = events["text/event-stream"];
  for (const frame of parseFrames(examples.fromBeginningToEnd.value)) {
    expect(isEvent(frame), JSON.stringify(frame)).toBe(true);
  }
});
