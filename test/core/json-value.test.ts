import { expect, test } from "vitest";
import { jsonText } from "../../src/core/json-value.ts";

test.each([
  [null, "null"],
  ["a\0", String.raw`"a\u0000"`],
  [{ a: [1, { b: true }], c: undefined }, '{"a":[1,{"b":true}]}'],
  [Object.assign(Object.create(null), { a: 1 }), '{"a":1}'],
])("%j", (value, text) => expect(jsonText(value, "It")).toBe(text));

test("nothing has no text", () => expect(jsonText(undefined, "It")).toBeUndefined());

test("one thing in two places is no cycle", () => {
  const shared = {};
  expect(jsonText([shared, shared], "It")).toBe("[{},{}]");
});

const cycle: { a: unknown } = { a: undefined };
cycle.a = [cycle];

test.each([
  [{ user: { created: new Date(0) } }, "The result must be JSON: user.created is a Date"],
  [[1, undefined], "The result must be JSON: [1] is undefined"],
  [Number.NaN, "The result must be JSON: it is NaN"],
  [10n, "it is a bigint"],
  [{ run: () => 1 }, "run is a function"],
  [new Map(), "it is a Map"],
  [new URL("http://a"), "it is a URL"],
  [Buffer.from("a"), "it is a Buffer"],
  [cycle, "a[0] is a reference to itself"],
])("refused: %s", (value, message) =>
  expect(() => jsonText(value, "The result")).toThrow(
    expect.objectContaining({ code: "NOT_JSON", message: expect.stringContaining(message) }),
  ),
);
