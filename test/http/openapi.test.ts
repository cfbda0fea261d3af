import { readFile } from "node:fs/promises";
import { Validator } from "@seriousme/openapi-schema-validator";
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { describe, expect, test } from "vitest";
import { orchestratorDocument } from "../../src/http/openapi.ts";
import type { WorkflowEntry } from "../../src/types/manifest.ts";
import { documentedManifest, documentedRunners } from "../_support/documented-api.ts";

const route = "/api/orchestrator";

/** The document as clients get it. */
async function documentOf(
  manifest = documentedManifest,
  mounted = route,
  runners = documentedRunners,
): Promise<any> {
  const document = await orchestratorDocument({
    route: mounted,
    manifest,
    runners,
    serverUrl: "/",
  });
  return JSON.parse(JSON.stringify(document));
}

const document = await documentOf();

interface Operation {
  path: string;
  method: string;
  operation: any;
}

function operationsOf({ paths }: any): Operation[] {
  return Object.entries<any>(paths).flatMap(([path, item]) =>
    Object.entries<any>(item).map(([method, operation]) => ({ path, method, operation })),
  );
}

/** What a reference leads to; anything else as it is. */
function deref(value: any): any {
  if (typeof value?.$ref !== "string") return value;
  const parts = decodeURIComponent(value.$ref.slice(2)).split("/");
  return parts.reduce((at: any, part: string) => at?.[part.replaceAll("~1", "/")], document);
}

/** Every value in the document under this key. */
function collect(value: unknown, key: string): any[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) =>
    (name === key ? [inner] : []).concat(collect(inner, key)),
  );
}

/** A workflow as the build finds it. */
function workflow(name: string): WorkflowEntry {
  const file = `workflows/${name}.ts`;
  return { name, workflowId: name, file, line: 1, parameters: ["jobs"], accepts: "jobs" };
}

describe("the linter finds nothing wrong with the document", () => {
  test.each([
    ["of an app with workflows and runners", documentedManifest, route, documentedRunners],
    ["of an app with neither", { workflows: [], inputs: {} }, route, []],
    ["of the stand-alone service", documentedManifest, "", []],
  ])("%s", async (_name, manifest, mounted, runners) => {
    const text = JSON.stringify(await documentOf(manifest, mounted, runners));
    const outcome = await new Validator().validate(JSON.parse(text));
    expect(outcome.errors).toBeUndefined();
    expect(outcome.valid).toBe(true);
  });

  test("and it does find what is wrong", async () => {
    const broken = structuredClone(document);
    delete broken.paths[route].post.responses[200].description;
    expect((await new Validator().validate(broken)).valid).toBe(false);
  });

  test("every reference leads somewhere", () => {
    const references: string[] = collect(document, "$ref");
    expect(references.length).toBeGreaterThan(50);
    for (const $ref of references) expect(deref({ $ref }), $ref).toBeDefined();
  });

  test("no operation's id is another's, and each tag is declared and used", () => {
    const operations = operationsOf(document).map(({ operation }) => operation);
    const ids = operations.map(({ operationId }) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
    const used = new Set(operations.flatMap(({ tags }) => tags));
    expect([...used].sort()).toEqual(document.tags.map(({ name }: any) => name).sort());
  });

  test("the parameters of each path are those of its template", () => {
    for (const { path, method, operation } of operationsOf(document)) {
      const declared = (operation.parameters ?? []).map(deref);
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
    listRuns: "get /runs",
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

test("each error status of an operation has an example", () => {
  for (const { operation } of operationsOf(document)) {
    for (const [status, given] of Object.entries<any>(operation.responses)) {
      if (Number(status) < 400) continue;
      const { examples } = deref(given).content["application/json"];
      expect(Object.keys(examples).length, `${operation.operationId} ${status}`).toBeGreaterThan(0);
    }
  }
});

test("every example is valid by the schema beside it", () => {
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
  ajv.addSchema({ $id: "spec", components: document.components });
  for (const parameter of collect(document, "parameters").flat().map(deref)) {
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
  const workflows = ["orchestrator", "plan", "runs"].map(workflow);
  const { paths } = await documentOf({ workflows, inputs: {} });
  expect(paths[`${route}/plan`].post.operationId).toBe("start_plan");
  expect(paths[`${route}/runs`].get.operationId).toBe("poll_runs");
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
