import * as fc from "fast-check";

/** Texts that something or other takes for more than a text. */
export const oddTexts = fc.constantFrom(
  "",
  " ",
  "0",
  "-1",
  "1e999",
  "NaN",
  "null",
  "true",
  "undefined",
  "__proto__",
  "constructor",
  "hasOwnProperty",
  "9".repeat(40),
  "x".repeat(300),
  "\u{1F9E8}\u{1F469}\u200D\u{1F469}",
  "\uD800",
  "a\u0000b",
  "\u202Eabc",
  "../../etc/passwd",
  "'; DROP TABLE runs; --",
  "2026-02-30T00:00:00.000Z",
  "-271821-04-20T00:00:00.000Z",
  "%",
  "%25",
  "${7*7}",
);

/** What stands in the place of an id, encoded as it is sent. */
export const oddIds = fc.constantFrom(
  "%00",
  "%2F",
  "%2e%2e%2f",
  "%252e%252e",
  "%ff",
  "%C3%28",
  "%",
  "%zz",
  "__proto__",
  "constructor",
  "-",
  "~",
  "..;",
  "run",
  "runs",
  "events",
  "status",
  "wrun_",
  "wrun_00000000000000000000000000",
  "wrun_7ZZZZZZZZZZZZZZZZZZZZZZZZZ",
  "wrun_zzzzzzzzzzzzzzzzzzzzzzzzzz",
  "x".repeat(128),
  "x".repeat(129),
  "x".repeat(5000),
  "%F0%9F%A7%A8",
  "%20",
  "a%0d%0ab",
  "a+b",
  "a=b&c",
);

/** Values that few fields take. */
export const oddValues = fc.oneof(
  fc.constantFrom(null, true, 0, -1, 1.5, 2 ** 53, -(2 ** 63), 1e308, 5e-324, [], {}, [[]], [null]),
  oddTexts,
  fc.constantFrom("x".repeat(20_000), "\u{1F9E8}".repeat(200)),
);

/** Names that no field has. */
export const oddKeys = fc.constantFrom(
  "__proto__",
  "constructor",
  "toString",
  "extra",
  "",
  "\uD800",
  "x".repeat(2000),
);
