import { afterEach, beforeEach, expect, test } from "vitest";
import { send } from "../_support/api.ts";
import { createFleet, type Fleet } from "../_support/fleet.ts";

let fleet: Fleet;
beforeEach(() => void (fleet = createFleet()));
afterEach(() => fleet.stop());

test("spec.json of a built app has the runs, the app's workflows and its runners", async () => {
  const { url } = await fleet.orchestrator();
  const { status, headers, body } = await send(`${url}/api/orchestrator/spec.json`);
  expect(status).toBe(200);
  expect(headers.get("content-type")).toContain("application/json");
  expect(body).toMatchObject({
    openapi: expect.stringMatching(/^3\.1/),
    info: { title: "Runners Orchestrator API" },
  });
  const operations = Object.entries<Record<string, { operationId?: string }>>(body.paths).flatMap(
    ([path, item]) =>
      Object.entries(item).map(([method, { operationId }]) => `${operationId} ${method} ${path}`),
  );
  for (const operation of [
    "submitRun post /api/orchestrator",
    "submitRun_run post /api/orchestrator/run",
    "getRunStatus get /api/orchestrator/{id}/status",
    "getRunResults get /api/orchestrator/{id}",
    "listRuns get /api/orchestrator/runs",
    "planRun post /api/orchestrator/plan",
  ]) {
    expect(operations).toContain(operation);
  }
  // Every workflow that the app lists can be started, as the document says.
  const { body: index } = await send(`${url}/api/orchestrator`);
  const names: string[] = index.workflows.map((one: string | { name: string }) =>
    typeof one === "string" ? one : one.name,
  );
  expect(names).toContain("spreadTwice");
  expect(names).toContain("run");
  for (const name of names.filter((one) => one !== "run")) {
    expect(operations).toContain(`start_${name} post /api/orchestrator/${name}`);
  }
  // The app's runner, with its schema.
  expect(JSON.stringify(body)).toContain("greets");
});

test("what spec.json says of a run is what the built app answers", async () => {
  const { url } = await fleet.orchestrator();
  const page = `${url}/api/orchestrator`;
  const run = await send(page, {
    mode: "local",
    runners: [{ name: "greets", input: { url: page, word: "spreadTwice" } }],
  });
  const results = await send(`${page}/${run.body.runId}?wait=30`);
  const { body } = await send(`${page}/spec.json`);
  const operation = body.paths["/api/orchestrator/{id}"].get;
  let schema = operation.responses["200"].content["application/json"].schema;
  if (schema.$ref) schema = body.components.schemas[schema.$ref.split("/").at(-1)];
  expect(Object.keys(schema.properties)).toEqual(expect.arrayContaining(Object.keys(results.body)));
  expect(results.body.summary).toEqual({ total: 1, passed: 1, failed: 0, errored: 0 });
});

test("docs is a page of HTML that needs nothing from elsewhere", async () => {
  const { url } = await fleet.orchestrator();
  const response = await fetch(`${url}/api/orchestrator/docs`);
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toMatch(/^text\/html/);
  const html = await response.text();
  expect(html).toMatch(/^<!doctype html>/i);
  expect(html).toContain("Runners Orchestrator API");
  expect(html).not.toMatch(/(?:src|href)="https?:/);
});
