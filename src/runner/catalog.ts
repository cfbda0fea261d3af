import { isStandardSchema } from "../core/standard-schema.ts";
import type { Runner, StandardSchema } from "../types/index.ts";

/** A runner found in the user's object, and its input schema if there is one. */
export interface CatalogRunner {
  name: string;
  run: Runner;
  schema?: StandardSchema;
}

/** The runners of one server by name. A map, so that a request for `constructor` finds nothing. */
export type RunnerCatalog = ReadonlyMap<string, CatalogRunner>;

/**
 * Reads `import * as runners` or a plain object: function values are runners named by their key,
 * `<name>InputSchema` or else `<name>Schema` is the schema of `<name>`, and the rest is ignored.
 *
 * @throws TypeError naming the field when it is no object or a schema is not a Standard Schema.
 */
export function collectRunners(runners: unknown, field = "runners"): RunnerCatalog {
  if (typeof runners !== "object" || runners === null || Array.isArray(runners)) {
    throw new TypeError(`${field} must be an object of runner functions by name`);
  }
  const exported = new Map(Object.entries(runners));
  const catalog = new Map<string, CatalogRunner>();
  for (const [name, value] of exported) {
    // A schema may itself be callable (arktype's are), and is still no runner.
    if (typeof value !== "function" || isStandardSchema(value)) continue;
    const schema = schemaBeside(name, exported, field);
    catalog.set(name, { name, run: value as Runner, ...(schema && { schema }) });
  }
  return catalog;
}

function schemaBeside(
  name: string,
  exported: ReadonlyMap<string, unknown>,
  field: string,
): StandardSchema | undefined {
  const key = [`${name}InputSchema`, `${name}Schema`].find((key) => exported.has(key));
  if (key === undefined) return undefined;
  const schema = exported.get(key);
  if (!isStandardSchema(schema)) {
    throw new TypeError(
      `${field}.${key} must be a Standard Schema, such as one of zod 4 or valibot, to validate the input of "${name}"`,
    );
  }
  return schema;
}
