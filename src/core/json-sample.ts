import type { JsonObject } from "../types/index.ts";

const byFormat: Record<string, string> = {
  date: "2026-11-20",
  "date-time": "2026-11-20T09:00:00Z",
  duration: "PT5M",
  email: "someone@example.com",
  hostname: "example.com",
  ipv4: "192.0.2.1",
  ipv6: "2001:db8::1",
  time: "09:00:00Z",
  uri: "https://example.com",
  uuid: "5f0c9c4e-6b1d-4d0a-9c58-0b7f9a1e2d31",
};

/** Levels of a schema that is looked into: one may hold itself. */
const deepest = 8;

/**
 * A value that a JSON Schema describes, with what is required only; undefined where none can be told
 * from the schema, as from a pattern.
 */
export function sampleOf(schema: JsonObject): unknown {
  try {
    return sample(schema, { root: schema, depth: 0, budget: { left: 1000 } });
  } catch {
    // What a library calls a JSON Schema may be none.
    return undefined;
  }
}

interface Place {
  root: JsonObject;
  depth: number;
  /** Values that may still be made: a schema that holds itself often has no end. */
  budget: { left: number };
}

function sample(given: unknown, { root, depth, budget }: Place): unknown {
  const schema = resolve(given, root);
  if (!schema || depth > deepest || budget.left-- <= 0) return undefined;
  const within = { root, depth: depth + 1, budget };
  if ("const" in schema) return schema.const;
  if ("default" in schema) return schema.default;
  for (const key of ["examples", "enum"]) {
    if (Array.isArray(schema[key]) && schema[key].length > 0) return schema[key][0] as unknown;
  }
  if ("not" in schema || "allOf" in schema) return undefined;
  const options = schema.anyOf ?? schema.oneOf;
  if (Array.isArray(options)) return firstOf(options, within);
  const type: unknown = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  switch (type) {
    case "object":
      return sampleObject(schema, within);
    case "array":
      return sampleArray(schema, within);
    case "string":
      return sampleString(schema);
    case "integer":
    case "number":
      return sampleNumber(schema, type);
    case "boolean":
      return true;
    case "null":
      return null;
    default:
      return type === undefined ? {} : undefined;
  }
}

/** What a reference to the schema itself or a part of it leads to. */
function resolve(given: unknown, root: JsonObject): JsonObject | undefined {
  let value = given;
  for (let steps = 0; steps < deepest; steps++) {
    const { $ref } = (value ?? {}) as { $ref?: unknown };
    if (typeof $ref !== "string") break;
    if (!$ref.startsWith("#")) return undefined;
    const parts = decodeURIComponent($ref).split("/").slice(1);
    value = parts.reduce<unknown>(
      (at, part) =>
        (at as JsonObject | undefined)?.[part.replaceAll("~1", "/").replaceAll("~0", "~")],
      root,
    );
  }
  if (typeof value !== "object" || value === null || "$ref" in value) return undefined;
  return value as JsonObject;
}

function firstOf(options: unknown[], place: Place): unknown {
  for (const option of options) {
    const value = sample(option, place);
    if (value !== undefined) return value;
  }
  return undefined;
}

function sampleObject({ properties, required }: JsonObject, place: Place): unknown {
  const names = (required ?? []) as string[];
  const entries = names.map((name) => {
    const property = Object.hasOwn(properties ?? {}, name) ? (properties as JsonObject)[name] : {};
    return [name, sample(property, place)] as const;
  });
  return entries.some(([, value]) => value === undefined) ? undefined : Object.fromEntries(entries);
}

function sampleArray({ items, prefixItems = [], minItems = 0 }: JsonObject, place: Place): unknown {
  const fixed = (prefixItems as unknown[]).map((item) => sample(item, place));
  const missing = Math.max(0, (minItems as number) - fixed.length);
  // A list without an entry shows nothing of what may be in it.
  const count = fixed.length === 0 && items !== undefined ? Math.max(1, missing) : missing;
  if (count > 100) return undefined;
  const entries = [...fixed, ...Array.from({ length: count }, () => sample(items ?? {}, place))];
  if (!entries.includes(undefined)) return entries;
  return minItems === 0 && fixed.length === 0 ? [] : undefined;
}

function sampleString({ format, pattern, minLength = 0, maxLength = 1000 }: JsonObject): unknown {
  const known = format === undefined ? undefined : byFormat[format as string];
  if (known === undefined && (format !== undefined || pattern !== undefined)) return undefined;
  const text = known ?? "text".padEnd(Math.min(minLength as number, 1000), "t");
  if (text.length < (minLength as number)) return undefined;
  if (text.length <= (maxLength as number)) return text;
  return known === undefined ? text.slice(0, maxLength as number) : undefined;
}

function sampleNumber(schema: JsonObject, type: "integer" | "number"): unknown {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = schema as Record<
    string,
    number | undefined
  >;
  const candidates = [1, 0, multipleOf, minimum, maximum]
    .concat((exclusiveMinimum ?? 0) + 1, (exclusiveMaximum ?? 0) - 1)
    .concat(((exclusiveMinimum ?? 0) + (exclusiveMaximum ?? 1)) / 2);
  return candidates.find(
    (value) =>
      value !== undefined &&
      (type === "number" || Number.isInteger(value)) &&
      value >= (minimum ?? -Infinity) &&
      value <= (maximum ?? Infinity) &&
      value > (exclusiveMinimum ?? -Infinity) &&
      value < (exclusiveMaximum ?? Infinity) &&
      (multipleOf === undefined || value % multipleOf === 0),
  );
}
