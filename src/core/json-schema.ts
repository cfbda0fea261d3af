import * as z from "zod";
import type { JsonObject, StandardSchema } from "../types/index.ts";

/** The Standard JSON Schema extension, as far as it is used here. */
interface Converting {
  jsonSchema?: { input?: (options: { target: string }) => unknown };
}

/**
 * The JSON Schema (2020-12) of what a Standard Schema takes as input: zod's own, else what the
 * schema itself offers, else any object. A schema that cannot be written down is any object too.
 */
export function toJsonSchema(schema: StandardSchema): JsonObject {
  for (const convert of [fromZod, fromExtension]) {
    try {
      const { $schema: _dialect, ...converted } = convert(schema) ?? {};
      if (Object.keys(converted).length > 0) return converted;
    } catch {
      // Zod 3 names the same vendor, and a schema may hold what JSON Schema cannot say.
    }
  }
  return { type: "object" };
}

/** The schema with its own `#` references pointing at the place it has in a larger document. */
export function rebase(schema: JsonObject, place: string): JsonObject {
  const text = JSON.stringify(schema, (key, value: unknown) => {
    if (key !== "$ref" || typeof value !== "string" || !value.startsWith("#")) return value;
    return place + value.slice(1);
  });
  return JSON.parse(text) as JsonObject;
}

/** A schema under the name that it has among a document's components. */
export interface NamedSchema {
  key: string;
  schema: JsonObject;
}

/**
 * The input schemas of what has one, by its name, as components `<name>Input`.
 *
 * @param taken names that no component may have; those that are given away are added
 */
export function inputComponents(
  sources: Iterable<{ name: string; schema?: StandardSchema | undefined }>,
  taken: Set<string>,
): Map<string, NamedSchema> {
  const inputs = new Map<string, NamedSchema>();
  for (const { name, schema } of sources) {
    if (!schema) continue;
    let key = `${name.replace(/[^\w.-]/g, "_")}Input`;
    while (taken.has(key)) key += "_";
    taken.add(key);
    inputs.set(name, { key, schema: rebase(toJsonSchema(schema), `#/components/schemas/${key}`) });
  }
  return inputs;
}

function fromZod(schema: StandardSchema): JsonObject | undefined {
  if (schema["~standard"].vendor !== "zod") return undefined;
  const converted = z.toJSONSchema(schema as unknown as z.core.$ZodType, {
    io: "input",
    unrepresentable: "any",
  });
  // A copy, because zod hangs its `~standard` on the original.
  return JSON.parse(JSON.stringify(converted)) as JsonObject;
}

function fromExtension(schema: StandardSchema): JsonObject | undefined {
  const { jsonSchema } = schema["~standard"] as Converting;
  const converted = jsonSchema?.input?.({ target: "draft-2020-12" });
  return converted === undefined
    ? undefined
    : (JSON.parse(JSON.stringify(converted)) as JsonObject);
}
