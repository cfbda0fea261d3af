import { afterAll, describe, expect, test } from "vitest";
import { documentedManifest, serveDocumentedApi } from "../_support/documented-api.ts";
import { serveSpecApi } from "../_support/spec-api.ts";

const api = await serveSpecApi();
const { route, document, ask, post, examplesOf } = api;

afterAll(() => api.close());

describe("spec.json", () => {
  test("is JSON, also to HEAD, and nothing but to these", async () => {
    const head = await fetch(`${api.base}/spec.json`, { method: "HEAD" });
    expect([head.status, head.headers.get("content-type")]).toEqual([200, "application/json"]);
    expect(await head.text()).toBe("");
    const deleted = await ask("/spec.json", { method: "DELETE" });
    expect(deleted.status).toBe(405);
    expect(deleted.headers.get("allow")).toBe("GET, HEAD");
  });

  test("is at the root of a service that is mounted there", async () => {
    const service = await serveDocumentedApi({ route: "" });
    const { paths }: any = await (await fetch(`${service.base}/spec.json`)).json();
    expect(Object.keys(paths)).toEqual(expect.arrayContaining(["/", "/{id}/status", "/spec.json"]));
    expect((await fetch(`${service.base}/docs`)).status).toBe(200);
    await service.close();
  });
});

describe("the examples are what the server takes and answers", () => {
  test("requests of runs", async () => {
    for (const [path, operation] of Object.entries<any>(document.paths)) {
      if (!/^(submit|plan)Run/.test(operation.post?.operationId ?? "")) continue;
      const { examples } = operation.post.requestBody.content["application/json"];
      const { whatDidNotPass, ...startable } = examples;
      for (const [name, { value }] of Object.entries<any>(startable)) {
        const { status, body } = await post(path.slice(route.length), value);
        expect(status, `${path} ${name}: ${JSON.stringify(body)}`).toBe(200);
      }
      expect((await post(path.slice(route.length), whatDidNotPass.value)).status).toBe(404);
    }
  });

  test("requests of workflows", async () => {
    for (const { name, workflowId } of documentedManifest.workflows) {
      const { requestBody } = document.paths[`${route}/${name}`].post;
      const examples = Object.values<any>(requestBody.content["application/json"].examples);
      expect(examples.length, name).toBeGreaterThan(0);
      for (const { value } of examples) {
        const { status, body } = await post(`/${name}`, value);
        expect(status, JSON.stringify(body)).toBe(workflowId ? 200 : 501);
      }
    }
  });

  test("lists and descriptions", async () => {
    const { workflows } = examplesOf("", "get", 200);
    expect((await ask("")).body).toEqual(workflows!.value);
    for (const name of [...documentedManifest.workflows.map(({ name }) => name), "run"]) {
      const { description } = examplesOf(`/${name}`, "get", 200);
      const { input: _schema, ...rest } = (await ask(`/${name}`)).body;
      expect(rest).toEqual(description!.value);
    }
  });

  test("errors of runs", async () => {
    const bad = examplesOf("", "post", 400);
    const input = { url: "https://example.com" };
    const name = "checkTitle";
    const requests: Record<string, unknown> = {
      noRunners: { mode: "remote" },
      wrongConcurrency: { mode: "remote", runners: [{ name }], concurrency: 0 },
      noRegion: { mode: "remote", runners: [{ name, input }] },
      noUrl: { mode: "local", runners: [{ name }] },
      noExecutor: { mode: "redis", runners: [{ name, input }] },
    };
    for (const [example, body] of Object.entries(requests)) {
      expect((await post("", body)).body, example).toEqual(bad[example]!.value);
    }
    expect((await ask("", { method: "POST", body: "{" })).body).toMatchObject({
      code: "BAD_REQUEST",
    });
    const unknown = await ask("/nightly-2026-11-19/status");
    expect(unknown.body).toEqual(examplesOf("/{id}/status", "get", 404).unknownRun!.value);
    const rerun = await post("", { rerun: "nightly-2026-11-19" });
    expect(rerun.body).toEqual(examplesOf("", "post", 404).unknownRun!.value);
    const soon = await ask("/nightly-2026-11-19/status?wait=soon");
    expect(soon.body).toEqual(examplesOf("/{id}/status", "get", 400).wrongWait!.value);
    const runner = { name, input: { url: "https://other.example" } };
    const taken = { mode: "local", runners: [runner], runId: "nightly-2026-11-20" };
    expect((await post("", taken)).body).toEqual(examplesOf("", "post", 409).runIdTaken!.value);
    const nope = examplesOf("/{id}", "get", 400).unknownWorkflow!.value;
    expect((await ask("/nope")).body).toEqual(nope);
  });

  test.each(["", "/plan", "/checkAll"])("errors of every POST, as %j", async (path) => {
    const sent = { method: "POST", body: "{}" };
    const far = await ask(path, { ...sent, headers: { "sec-fetch-site": "cross-site" } });
    expect(far.body).toEqual(examplesOf(path, "post", 403).otherSite!.value);
    const plain = await ask(path, { ...sent, headers: { "content-type": "text/plain" } });
    expect(plain.body).toEqual(examplesOf(path, "post", 415).notJson!.value);
    const large = await ask(path, { ...sent, body: `"${"x".repeat(1024 * 1024)}"` });
    expect(large.body).toEqual(examplesOf(path, "post", 413).tooLarge!.value);
  });

  test("another method of each path", async () => {
    for (const [path, item] of Object.entries<any>(document.paths)) {
      const answer = await ask(path.slice(route.length), { method: "PUT" });
      expect(answer.status).toBe(405);
      for (const method of Object.keys(item)) {
        const example = examplesOf(path.slice(route.length), method, 405).otherMethod!.value;
        expect(answer.body, `${method} ${path}`).toEqual(example);
      }
    }
  });

  test("errors of workflows", async () => {
    const unknown = examplesOf("/{id}", "post", 400).unknownWorkflow!.value;
    expect((await post("/nope", {})).body).toEqual(unknown);
    const wrong = examplesOf("/checkAll", "post", 400).wrongField!.value;
    expect((await post("/checkAll", { jobs: 1 })).body).toEqual(wrong);
    const { value } = examplesOf("/checkAll", "get", 404).unknownRun!;
    expect((await ask(`/checkAll?runId=${value.runId}`)).body).toEqual(value);
    const wait = examplesOf("/checkAll", "get", 400).wrongWait!.value;
    expect((await ask("/checkAll?runId=x&wait=soon")).body).toEqual(wait);
  });
});

test("every status that a GET of the document answers with is one that it has", async () => {
  for (const [path, { get }] of Object.entries<any>(document.paths)) {
    if (!get) continue;
    const address = path.slice(route.length).replace("{id}", "nightly-2026-11-20");
    const response = await fetch(api.base + address);
    await response.body?.cancel();
    expect(Object.keys(get.responses), path).toContain(String(response.status));
  }
});
