import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { publishedSchemas } from "../../scripts/schemas.ts";
import { typeProblem } from "../../src/core/checkpoint.ts";
import { checkpointRequestSchema } from "../../src/http/service-schemas.ts";

const folder = fileURLToPath(new URL("../../schemas/", import.meta.url));
const written = publishedSchemas();

/** Validates by a published schema, as strictly as Ajv does. */
function validatorOf(name: string) {
  const ajv = new Ajv2020({ strict: true });
  addFormats.default(ajv);
  return ajv.compile(JSON.parse(written[`${name}.schema.json`]!));
}

test.each(Object.entries(written))(
  "schemas/%s is as `npm run schemas` writes it",
  async (name, text) => {
    await expect(text).toMatchFileSnapshot(folder + name);
  },
);

test("there are no others, and each says what it is", () => {
  expect(readdirSync(folder).toSorted()).toEqual(Object.keys(written).toSorted());
  for (const text of Object.values(written)) {
    expect(JSON.parse(text)).toMatchObject({
      $schema: "https://json-schema.org/draft/2020-12/schema",
      $id: expect.stringMatching(/^urn:runners:orchestrator:\w+$/),
      title: expect.any(String),
      description: expect.any(String),
    });
  }
});

describe("objects are closed, but for what is the caller's", () => {
  const run = {
    id: "mine",
    workflow: "run",
    mode: "remote",
    status: "failed",
    state: "timed_out",
    createdAt: "2026-11-20T09:00:00.000Z",
  };
  const ts = "2026-11-20T09:00:00.001Z";
  const checkpoint = { id: "1", runId: "mine", ts, type: "approved" };

  test("run", () => {
    const isRun = validatorOf("run");
    expect(isRun(run)).toBe(true);
    expect(isRun({ ...run, metadata: { any: [{ thing: 1 }] } })).toBe(true);
    expect(isRun({ ...run, more: 1 })).toBe(false);
    expect(isRun({ ...run, metadata: [] })).toBe(false);
    expect(isRun({ ...run, status: "cancelled" })).toBe(false);
    expect(isRun({ ...run, createdAt: "yesterday" })).toBe(false);
  });

  test("checkpoint", () => {
    const isCheckpoint = validatorOf("checkpoint");
    for (const data of [undefined, null, 7, "text", [1], { any: { thing: 1 } }]) {
      expect(isCheckpoint({ ...checkpoint, ...(data !== undefined && { data }) })).toBe(true);
    }
    expect(isCheckpoint({ ...checkpoint, more: 1 })).toBe(false);
    expect(isCheckpoint({ ...checkpoint, ts: "2026-11-20T09:00:00Z" })).toBe(false);
  });

  test("event, which has an id where it is a checkpoint", () => {
    const isEvent = validatorOf("event");
    expect(isEvent({ event: "checkpoint", id: ts, data: checkpoint })).toBe(true);
    expect(isEvent({ event: "checkpoint", data: checkpoint })).toBe(false);
    const status = { runId: "mine", status: "canceled" };
    expect(isEvent({ event: "status", data: status })).toBe(true);
    expect(isEvent({ event: "status", id: ts, data: status })).toBe(false);
    expect(isEvent({ event: "hello", data: status })).toBe(false);
    expect(isEvent({ event: "other", data: {} })).toBe(false);
    const log = { runId: "mine", at: ts, message: "" };
    expect(isEvent({ event: "log", data: { ...log, meta: { any: 1 } } })).toBe(true);
    expect(isEvent({ event: "log", data: { ...log, any: 1 } })).toBe(false);
  });
});

test("the schema of a checkpoint takes the types that the server takes", () => {
  const unit = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.string({
      unit: fc.constantFrom(" ", "\t", "\n", "\u00A0", "\u2028", "\uFEFF", "\uD800", "a"),
    }),
    fc.constantFrom("x".repeat(200), "x".repeat(201), ""),
  );
  fc.assert(
    fc.property(unit, (type) => {
      const taken = checkpointRequestSchema.safeParse({ type }).success;
      expect(taken).toBe(typeProblem(type) === undefined);
    }),
    { numRuns: 500 },
  );
});
