import * as fc from "fast-check";

/** A JSON Schema, as far as our documents use it. */
export type Schema = Record<string, any>;

/** Entries of a list, and characters of a text, that are made at most: what is larger is for the hostile. */
const most = { items: 3, characters: 24 };

/** What values are made with. */
export interface Making {
  deref(schema: Schema): Schema;
  /** Values that mean something to the server, by the name of their field or parameter. */
  words: Readonly<Record<string, readonly unknown[]>>;
}

/** Values that a JSON Schema describes. */
export function valuesOf(schema: Schema, making: Making, depth = 0): fc.Arbitrary<unknown> {
  const s = making.deref(schema);
  const inner = (given: Schema, name = ""): fc.Arbitrary<unknown> => {
    const any = valuesOf(given, making, depth + 1);
    const words = Object.hasOwn(making.words, name) ? making.words[name]! : [];
    return words.length > 0
      ? fc.oneof(any, fc.constantFrom(...words), fc.constantFrom(...words))
      : any;
  };
  if (depth > 8) return fc.constant({});
  if ("const" in s) return fc.constant(s.const);
  if (s.enum) return fc.constantFrom(...(s.enum as unknown[]));
  const options = (s.anyOf ?? s.oneOf) as Schema[] | undefined;
  if (options) return fc.oneof(...options.map((option) => inner(option)));
  switch (s.type) {
    case "object":
      return objects(s, inner);
    case "array":
      return fc.array(inner(s.items ?? {}), {
        minLength: s.minItems ?? 0,
        maxLength: Math.max(s.minItems ?? 0, Math.min(s.maxItems ?? most.items, most.items)),
      });
    case "string":
      return texts(s);
    case "integer":
      return fc.integer({
        min: s.exclusiveMinimum + 1 || s.minimum,
        max: Math.min(s.maximum ?? 100, 1e9),
      });
    case "number":
      return fc.double({ min: s.minimum, max: s.maximum, noNaN: true, noDefaultInfinity: true });
    case "boolean":
      return fc.boolean();
    default:
      return fc.jsonValue({ maxDepth: 2 });
  }
}

function objects(
  { properties = {}, required = [], additionalProperties }: Schema,
  inner: (schema: Schema, name?: string) => fc.Arbitrary<unknown>,
): fc.Arbitrary<unknown> {
  const entries = Object.entries<Schema>(properties).map(
    ([name, schema]) => [name, inner(schema, name)] as const,
  );
  const named = fc.record(Object.fromEntries(entries), { requiredKeys: required });
  if (additionalProperties === false) return named;
  const open = fc.dictionary(names, inner(additionalProperties ?? {}), { maxKeys: 2 });
  return fc.tuple(open, named).map(([more, known]) => ({ ...more, ...known }));
}

const names = fc.string({ maxLength: 8, unit: "grapheme" }).filter((name) => name !== "__proto__");

function texts({ format, pattern, minLength = 0, maxLength }: Schema): fc.Arbitrary<string> {
  if (format === "uri") return fc.webUrl();
  if (format === "date-time") return times.map((at) => at.toISOString());
  if (format === "date") return times.map((at) => at.toISOString().slice(0, 10));
  const longest = Math.max(minLength, Math.min(maxLength ?? most.characters, most.characters));
  const any = fc.oneof(
    fc.stringMatching(/^[a-z][a-z0-9-]{0,11}$/),
    fc.string({ unit: "grapheme", minLength, maxLength: longest }),
  );
  const wanted = new RegExp(pattern ?? "", "u");
  return any.filter(
    (text) =>
      wanted.test(text) && text.length >= minLength && text.length <= (maxLength ?? longest),
  );
}

const times = fc.date({
  min: new Date("2020-01-01T00:00:00Z"),
  max: new Date("2030-01-01T00:00:00Z"),
  noInvalidDate: true,
});
