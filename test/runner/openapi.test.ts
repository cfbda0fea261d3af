import { Ajv2020 } from "ajv/dist/2020.js";
import formats from "ajv-formats";
import * as v from "valibot";
import * as z from "zod";
import { expect, test } from "vitest";
import { acceptLines, reading, silent } from "./_support/lines.ts";
import { serve } from "./_support/serve.ts";

const pass = async () => ({ status: "pass" });
const node: z.ZodType = z.object({
  name: z.string(),
  get children() {
    return z.array(node);
  },
});

async function documentOf(runners: Record<string, unknown>, base?: string): Promise<any> {
  const served = await serve({ runners, ...(base && { base }) });
  const response = await fetch(`${served.base}/spec.json`);
  expect(response.headers.get("content-type")).toMatch(/^application\/json/);
  return response.json();
}

/** Every value in the document under this key. */
function collect(value: unknown, key: string): any[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => {
    const own = name === key ? [inner] : [];
    return own.concat(collect(inner, key));
  });
}

function resolve(document: any, reference: string): unknown {
  const parts = decodeURIComponent(reference).replace(/^#\//, "").split("/");
  return parts.reduce(
    (at, part) => at?.[part.replaceAll("~1", "/").replaceAll("~0", "~")],
    document,
  );
}

test("the document is OpenAPI 3.1 titled Runners HTTP API, with every route under the base", async () => {
  const document = await documentOf({ a: pass }, "/x");
  expect(document.openapi).toMatch(/^3\.1\.\d$/);
  expect(document.info).toMatchObject({ title: "Runners HTTP API", version: expect.any(String) });
  expect(document.servers).toEqual([{ url: "/x" }]);
  const routes = Object.entries<object>(document.paths).map(([path, item]) => [
    path,
    Object.keys(item),
  ]);
  expect(routes).toEqual([
    ["/execute", ["post"]],
    ["/info", ["get"]],
    ["/spec.json", ["get"]],
    ["/docs", ["get"]],
  ]);
});

test("every operation has an id of its own, and every response a description", async () => {
  const document = await documentOf({ a: pass });
  const operations: any[] = Object.values<object>(document.paths).flatMap((item) =>
    Object.values(item),
  );
  const ids = operations.map((operation) => operation.operationId);
  expect(ids).toEqual(["executeRunners", "getInfo", "getSpec", "getDocs"]);
  for (const operation of operations) {
    for (const response of Object.values<any>(operation.responses)) {
      expect(response.description).toEqual(expect.any(String));
    }
  }
});

test("every error that execute answers is there with an example that is what the server sends", async () => {
  const document = await documentOf({ a: pass, aSchema: z.object({ url: z.string() }) });
  const { responses } = document.paths["/execute"].post;
  expect(Object.keys(responses)).toEqual(["200", "400", "403", "409", "413", "500", "503"]);
  const examples = Object.entries<any>(responses).flatMap(([status, response]) =>
    Object.values<any>(response.content["application/json"].examples).map((e) => [status, e.value]),
  );
  const errors = examples.filter(([status]) => status !== "200");
  expect(errors.map(([, error]) => error.code)).toEqual([
    "BAD_REQUEST",
    "BAD_REQUEST",
    "FORBIDDEN",
    "IDEMPOTENCY_KEY_REUSED",
    "PAYLOAD_TOO_LARGE",
    "RUNNER_NOT_FOUND",
    "INPUT_VALIDATION_FAILED",
    "EXECUTION_FAILED",
    "SERVICE_UNAVAILABLE",
  ]);
  for (const [status, error] of errors) expect(String(error.status)).toBe(status);
  const served = await serve({ runners: { a: pass, aSchema: z.object({ url: z.string() }) } });
  const wrong = responses[400].content["application/json"].examples.wrongShape.value;
  expect(await (await served.execute({})).json()).toEqual(wrong);
  const invalid = responses[500].content["application/json"].examples.invalidInput.value;
  expect(await (await served.execute({ runners: ["a"] })).json()).toEqual(invalid);
});

test("the request example of the document is accepted by the server", async () => {
  const served = await serve({ runners: { a: pass, b: pass } });
  const document: any = await (await fetch(`${served.base}/spec.json`)).json();
  const { examples } = document.paths["/execute"].post.requestBody.content["application/json"];
  for (const name of ["bare", "enveloped"]) {
    expect((await served.execute(examples[name].value)).status, name).toBe(200);
  }
});

test("every line of an answer in lines is as the document has it, and so are its examples", async () => {
  silent();
  const told = async (ctx: any) => {
    ctx.log("m", { n: 1 });
    ctx.checkpoint("t", [1]);
    ctx.checkpoint("t");
    return { status: "pass" };
  };
  const { base, execute } = await serve({ runners: { told } });
  const document: any = await (await fetch(`${base}/spec.json`)).json();
  const content = document.paths["/execute"].post.responses[200].content["application/x-ndjson"];
  const ajv = formats.default(new Ajv2020({ strict: false }));
  const validate = ajv.compile({ ...content.schema, components: document.components });
  const bare = await reading(await execute({ runners: ["told"] }, acceptLines)).all();
  const enveloped = await reading(
    await execute({ json: { runners: ["told"] } }, acceptLines),
  ).all();
  const examples = Object.values<any>(content.examples).map(({ value }) => value);
  const error = { error: { defined: true, code: "X", status: 500, message: "m" }, status: 500 };
  const lines = [...bare, ...enveloped, ...examples, error, { event: "ping" }];
  expect(lines).toHaveLength(13);
  for (const line of lines) expect(validate(line), JSON.stringify(line)).toBe(true);
  for (const wrong of [{}, { event: "other" }, { reply: {} }, { ...bare[1], id: "no" }]) {
    expect(validate(wrong), JSON.stringify(wrong)).toBe(false);
  }
});

test("every $ref resolves, also those of a recursive input schema", async () => {
  const document = await documentOf({
    tree: pass,
    treeSchema: z.object({ "a/b": node, root: node }),
  });
  const references: string[] = collect(document, "$ref");
  expect(references.length).toBeGreaterThan(5);
  for (const reference of references) {
    expect(reference).toMatch(/^#\/components\/schemas\//);
    expect(resolve(document, reference), reference).toBeDefined();
  }
});

test("a zod schema enters as its JSON Schema, and the request names its fields", async () => {
  const checkSchema = z.object({ url: z.url(), retries: z.int().default(2) });
  const document = await documentOf({ check: pass, checkSchema });
  expect(document.components.schemas.checkInput).toMatchObject({
    type: "object",
    required: ["url"],
    properties: {
      url: { type: "string", format: "uri" },
      retries: { type: "integer", default: 2 },
    },
  });
  const { items } = document.components.schemas.ExecuteRequest.properties.runners;
  expect(items.anyOf[0]).toEqual({ type: "string", enum: ["check"] });
  expect(items.anyOf[1].properties.input.properties.url).toEqual({
    $ref: "#/components/schemas/checkInput/properties/url",
  });
  expect(items.anyOf[1].properties.input).not.toHaveProperty("required");
  expect(document["x-runners"]).toEqual([
    { name: "check", input: { $ref: "#/components/schemas/checkInput" } },
  ]);
});

test("a schema with the Standard JSON Schema extension enters as what it offers", async () => {
  const offered = { type: "object", properties: { n: { type: "number" } } };
  const aSchema = {
    "~standard": {
      version: 1,
      vendor: "other",
      validate: (value: unknown) => ({ value }),
      jsonSchema: { input: ({ target }: any) => ({ $schema: target, ...offered }) },
    },
  };
  expect((await documentOf({ a: pass, aSchema })).components.schemas.aInput).toEqual(offered);
});

test("a schema that cannot be written as JSON Schema enters as an object of whatever kind", async () => {
  const zod3 = { "~standard": { version: 1, vendor: "zod", validate: () => ({ value: 1 }) } };
  const document = await documentOf({ a: pass, aSchema: v.object({}), b: pass, bSchema: zod3 });
  expect(document.components.schemas.aInput).toEqual({ type: "object" });
  expect(document.components.schemas.bInput).toEqual({ type: "object" });
});

test("runner names that a component may not have get names that it may, each its own", async () => {
  const schema = z.object({});
  const document = await documentOf({ $a: pass, $aSchema: schema, éa: pass, éaSchema: schema });
  const keys = Object.keys(document.components.schemas);
  expect(keys).toHaveLength(6);
  for (const key of keys) expect(key).toMatch(/^[\w.-]+$/);
});

test("a server without runners has a valid document too", async () => {
  const document = await documentOf({});
  expect(document["x-runners"]).toEqual([]);
  expect(document.components.schemas.ExecuteRequest.required).toEqual(["runners"]);
});
