import { readFile } from "node:fs/promises";
import { Validator } from "@seriousme/openapi-schema-validator";
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { describe, expect, test } from "vitest";
import type { DescribedRunner } from "../../src/http/openapi.ts";
import type { Manifest } from "../../src/types/manifest.ts";
import { documentedManifest, documentedRunners } from "../_support/documented-api.ts";
import { documentOf, everything, operationsOf, route, workflow } from "../_support/documents.ts";

const document = await documentOf();

const whole = await documentOf(documentedManifest, route, documentedRunners, everything);
const documents = [
  ["as it is by default", document],
  ["with all that it can have", whole],
] as const;

/** What a reference leads to; anything else as it is. */
function deref(value: any, root = document): any {
  if (typeof value?.$ref !== "string") return value;
  const parts = decodeURIComponent(value.$ref.slice(2)).split("/");
  return parts.reduce((at: any, part: string) => at?.[part.replaceAll("~1", "/")], root);
}

/** Every value in the document under this key. */
function collect(value: unknown, key: string): any[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) =>
    (name === key ? [inner] : []).concat(collect(inner, key)),
  );
}

describe("the linter finds nothing wrong with the document", () => {
  const apps: [string, Manifest, string, readonly DescribedRunner[], object?][] = [
    ["of an app with workflows and runners", documentedManifest, route, documentedRunners],
    ["of an app with neither", { workflows: [], inputs: {} }, route, []],
    ["of the stand-alone service", documentedManifest, "", []],
    ["of a service at the root too, with keys", documentedManifest, route, [], everything],
  ];
  test.each(apps)("%s", async (_name, manifest, mounted, runners, more) => {
    const text = JSON.stringify(await documentOf(manifest, mounted, runners, more));
    const outcome = await new Validator().validate(JSON.parse(text));
    expect(outcome.errors).toBeUndefined();
    expect(outcome.valid).toBe(true);
  });

  test("and it does find what is wrong", async () => {
    const broken = structuredClone(document);
    delete broken.paths[route].post.responses[200].description;
    expect((await new Validator().validate(broken)).valid).toBe(false);
  });

  test.each(documents)("every reference leads somewhere: %s", (_name, document) => {
    const references: string[] = collect(document, "$ref");
    expect(references.length).toBeGreaterThan(50);
    for (const $ref of references) expect(deref({ $ref }, document), $ref).toBeDefined();
    // And each response and parameter is one that something refers to.
    for (const kind of ["parameters", "responses"]) {
      for (const name of Object.keys(document.components[kind])) {
        expect(references).toContain(`#/components/${kind}/${name}`);
      }
    }
  });

  test.each(documents)("ids are unique, tags declared and used: %s", (_name, document) => {
    const operations = operationsOf(document).map(({ operation }) => operation);
    const ids = operations.map(({ operationId }) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
    const used = new Set(operations.flatMap(({ tags }) => tags));
    expect([...used].sort()).toEqual(document.tags.map(({ name }: any) => name).sort());
  });

  test("the parameters of each path are those of its template", () => {
    for (const { path, method, operation } of operationsOf(document)) {
      const declared = (operation.parameters ?? []).map((one: any) => deref(one));
      const names = declared.filter((one: any) => one.in === "path").map((one: any) => one.name);
      const template = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      expect(names, `${method} ${path}`).toEqual(template);
    }
  });
});

test("title, version and operations are those that clients are generated from", async () => {
  const manifest = await readFile(new URL("../../package.json", import.meta.url), "utf8");
  const { version } = JSON.parse(manifest) as { version: string };
  expect(document.openapi).toMatch(/^3\.1\./);
  expect(document.info).toMatchObject({ title: "Runners Orchestrator API", version });
  const found = operationsOf(document).map(({ path, method, operation }) => [
    operation.operationId,
    `${method} ${path.slice(route.length)}`,
  ]);
  expect(Object.fromEntries(found)).toEqual({
    submitRun: "post ",
    listWorkflows: "get ",
    getRunStatus: "get /{id}/status",
    getRunResults: "get /{id}",
    startWorkflow: "post /{id}",
    planRun: "post /plan",
    createRun: "post /runs",
    listRuns: "get /runs",
    getRun: "get /runs/{id}",
    cancelRun: "delete /runs/{id}",
    listCheckpoints: "get /runs/{id}/checkpoints",
    addCheckpoint: "post /runs/{id}/checkpoints",
    streamRunEvents: "get /runs/{id}/events",
    createEventToken: "post /runs/{id}/events/token",
    getHealth: "get /health",
    getReady: "get /ready",
    getMetrics: "get /metrics",
    listServers: "get /servers",
    joinServer: "post /servers",
    getServer: "get /servers/{id}",
    leaveServer: "delete /servers/{id}",
    sendHeartbeat: "post /servers/{id}/heartbeat",
    submitRun_run: "post /run",
    poll_run: "get /run",
    getRunStatus_run: "get /run/{id}/status",
    getRunResults_run: "get /run/{id}",
    submitRun_orchestrator: "post /orchestrator",
    getRunStatus_orchestrator: "get /orchestrator/{id}/status",
    getRunResults_orchestrator: "get /orchestrator/{id}",
    getSpec: "get /spec.json",
    getDocs: "get /docs",
    start_checkAll: "post /checkAll",
    poll_checkAll: "get /checkAll",
    start_checkOne: "post /checkOne",
    poll_checkOne: "get /checkOne",
    start_report: "post /report",
    poll_report: "get /report",
    start_stray: "post /stray",
    poll_stray: "get /stray",
  });
});

test("an alias names the operation that it is another path of", () => {
  const operations = operationsOf(document).map(({ operation }) => operation);
  const ids = operations.map(({ operationId }) => operationId);
  const aliases = operations.filter((operation) => operation["x-alias-of"]);
  expect(aliases).toHaveLength(6);
  for (const alias of aliases) {
    expect(ids).toContain(alias["x-alias-of"]);
    expect(alias.summary).toContain(alias["x-alias-of"]);
  }
});

test.each(documents)("each error status has an example: %s", (_name, document) => {
  for (const { operation } of operationsOf(document)) {
    for (const [status, given] of Object.entries<any>(operation.responses)) {
      if (Number(status) < 400) continue;
      const { examples = {} } = deref(given, document).content["application/json"];
      expect(Object.keys(examples).length, `${operation.operationId} ${status}`).toBeGreaterThan(0);
    }
  }
});

test.each(documents)("every example is valid by the schema beside it: %s", (_name, document) => {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats.default(ajv);
  ajv.addSchema({ $id: "spec", components: document.components });
  const contents = collect(document, "content").flatMap((content) => Object.values<any>(content));
  let checked = 0;
  for (const { schema, examples = {} } of contents) {
    const absolute = JSON.stringify(schema).replaceAll('"#/', '"spec#/');
    const validate = ajv.compile(JSON.parse(absolute));
    for (const [name, { value }] of Object.entries<any>(examples)) {
      checked += 1;
      expect(validate(value) || ajv.errorsText(validate.errors), name).toBe(true);
    }
  }
  expect(checked).toBeGreaterThan(60);
});

test("every parameter's example is valid by its schema", () => {
  const ajv = new Ajv2020({ strict: false });
  addFormats.default(ajv);
  ajv.addSchema({ $id: "spec", components: document.components });
  for (const parameter of collect(document, "parameters")
    .flat()
    .map((one: any) => deref(one))) {
    if (parameter?.example === undefined) continue;
    expect(ajv.compile(parameter.schema)(parameter.example), parameter.name).toBe(true);
  }
});

test("a workflow's input schema is the body of its start, and a runner's is named", () => {
  const { content } = document.paths[`${route}/report`].post.requestBody;
  const { schema } = content["application/json"];
  expect(schema.required).toEqual(["input"]);
  expect(deref(schema.properties.input)).toMatchObject({
    required: ["day"],
    properties: { day: { type: "string", format: "date" }, depth: { default: 2 } },
  });
  expect(document["x-runners"]).toEqual([
    { name: "checkTitle", input: { $ref: "#/components/schemas/checkTitleInput" } },
    { name: "checkLinks" },
  ]);
  expect(document.components.schemas.checkTitleInput.required).toEqual(["url"]);
});

test("a workflow's name goes before a word of ours, but a run is submitted where it always was", async () => {
  const workflows = ["orchestrator", "plan"].map(workflow);
  const { paths } = await documentOf({ workflows, inputs: {} });
  expect(paths[`${route}/plan`].post.operationId).toBe("start_plan");
  expect(paths[`${route}/orchestrator`].post.operationId).toBe("submitRun_orchestrator");
  expect(paths[`${route}/orchestrator`].get.operationId).toBe("poll_orchestrator");
});

test("a workflow and a runner of one name have schemas of their own", async () => {
  const manifest = {
    workflows: [workflow("checkTitle")],
    inputs: { checkTitle: documentedManifest.inputs.report! },
  };
  const { schemas } = (await documentOf(manifest)).components;
  expect(schemas["checkTitleInput"].required).toEqual(["day"]);
  expect(schemas["checkTitleInput_"].required).toEqual(["url"]);
});
