import { expect, test } from "vitest";
import * as z from "zod";
import { sampleOf } from "../../src/core/json-sample.ts";
import { toJsonSchema } from "../../src/core/json-schema.ts";

const node: z.ZodType = z.object({
  name: z.string(),
  get children() {
    return z.array(node);
  },
});

test.each([
  z.object({ url: z.url(), day: z.iso.date(), at: z.iso.datetime(), id: z.uuid() }),
  z.object({ mail: z.email(), time: z.iso.time().optional(), ip: z.ipv4() }),
  z.object({ short: z.string().max(2), long: z.string().min(20) }),
  z.object({ few: z.number().gt(0).lt(1), many: z.int().min(7), even: z.int().multipleOf(2) }),
  z.object({ below: z.number().lt(-5), top: z.number().max(-9) }),
  z.object({
    list: z.array(z.object({ a: z.boolean() })).min(2),
    pair: z.tuple([z.int(), z.null()]),
  }),
  z.object({ mode: z.enum(["a", "b"]), kind: z.literal("k"), level: z.int().default(2) }),
  z.object({ either: z.union([z.string().regex(/^x/), z.int()]), any: z.unknown() }),
  z.record(z.string(), z.int()),
  z.object({ tree: node }),
])("a sample is valid by the schema that it was made from", (schema) => {
  const value = sampleOf(toJsonSchema(schema));
  expect(value).toBeDefined();
  expect(schema.safeParse(value).error).toBeUndefined();
});

test("there is none where the schema does not tell one", () => {
  for (const schema of [z.string().regex(/^x+$/), z.object({ a: z.cuid2() }), z.never()]) {
    expect(sampleOf(toJsonSchema(schema))).toBeUndefined();
  }
  expect(sampleOf({ $ref: "#" })).toBeUndefined();
  expect(sampleOf({ $ref: "https://example.com/schema" })).toBeUndefined();
  expect(sampleOf({ type: "array", items: {}, minItems: 1e9 })).toBeUndefined();
});

test("a schema that holds itself often, or is none, ends soon", { timeout: 2000 }, () => {
  const lists = Array.from({ length: 200 }, (_, index) => `list${index}`);
  const self = { type: "array", minItems: 1, items: { $ref: "#" } };
  const properties = Object.fromEntries(lists.map((name) => [name, self]));
  expect(sampleOf({ type: "object", required: lists, properties })).toBeUndefined();
  expect(sampleOf({ type: "object", required: 5 })).toBeUndefined();
});
