import { expect, test } from "vitest";
import { depthLimit, depthOf, parseJson } from "../../src/core/body.ts";

const nested = (levels: number) => `${'{"a":['.repeat(levels / 2)}${"]}".repeat(levels / 2)}`;

test.each([
  ["1", 0],
  ["[]", 1],
  ['{"a":[1,{"b":[]}],"c":{}}', 4],
  [String.raw`["[[[", "\"[[[", "\\", {"[{": "]}"}]`, 2],
  ["[".repeat(100_000) + "]".repeat(100_000), 100_000],
])("depthOf counts the levels of %.40s", (text, depth) => {
  expect(depthOf(text)).toBe(depth);
});

test("a string of many megabytes does not overflow depthOf", () => {
  expect(depthOf(JSON.stringify(['\\"x'.repeat(4_000_000)]))).toBe(1);
});

test("parseJson refuses what is nested too deep", () => {
  expect(parseJson(nested(depthLimit))).toEqual(JSON.parse(nested(depthLimit)));
  for (const text of [nested(depthLimit + 2), nested(200_000)]) {
    expect(() => parseJson(text)).toThrow(
      expect.objectContaining({ name: "JsonRefusal", code: "too_deep", path: [] }),
    );
  }
});

test.each([
  '{"a":[0,{"__proto__":{"evil":1},"b":2}]}',
  String.raw`{"a":[0,{"\u005f_prot\u006f__":{"evil":1},"b":2}]}`,
])("parseJson drops or refuses the __proto__ key of %s", (text) => {
  const dropped = parseJson(text) as { a: [number, object] };
  expect(dropped).toEqual({ a: [0, { b: 2 }] });
  expect(Object.getOwnPropertyNames(dropped.a[1])).toEqual(["b"]);
  expect(Object.getPrototypeOf(dropped.a[1])).toBe(Object.prototype);
  expect(() => parseJson(text, "refuse")).toThrow(
    expect.objectContaining({ code: "forbidden_key", path: ["a", 1, "__proto__"] }),
  );
});

test("parseJson leaves __proto__ alone as a value, and what is not JSON a SyntaxError", () => {
  expect(parseJson('{"a":"__proto__"}', "refuse")).toEqual({ a: "__proto__" });
  expect(() => parseJson("[".repeat(1000))).toThrow(SyntaxError);
});
