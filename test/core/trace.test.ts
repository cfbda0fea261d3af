import { describe, expect, test } from "vitest";
import { childTrace, parseTraceparent, traceIdOf, traceOf } from "../../src/core/trace.ts";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const spanId = "b7ad6b7169203331";
const good = `00-${traceId}-${spanId}-01`;

describe("parseTraceparent", () => {
  test("reads what W3C's examples say, and of a later version what it knows", () => {
    expect(parseTraceparent(good)).toEqual({ traceId, spanId, flags: 1 });
    expect(parseTraceparent(`00-${traceId}-${spanId}-00`)).toEqual({ traceId, spanId, flags: 0 });
    expect(parseTraceparent(`01-${traceId}-${spanId}-03-more`)).toMatchObject({ flags: 3 });
    expect(parseTraceparent(`00-${traceId}-${spanId}-ff`)).toMatchObject({ flags: 3 });
  });

  test.each([
    undefined,
    null,
    "",
    "garbage",
    good.toUpperCase(),
    `${good} `,
    `${good}-more`,
    `${good}, ${good}`,
    `ff-${traceId}-${spanId}-01`,
    `00-${"0".repeat(32)}-${spanId}-01`,
    `00-${traceId}-${"0".repeat(16)}-01`,
    `00-${traceId.slice(1)}-${spanId}-01`,
    `00-${traceId}-${spanId}x-01`,
    `00-${traceId}-${spanId}-1`,
    `00-${traceId}-${spanId}-0g`,
    `01-${traceId}-${spanId}-01more`,
  ])("refuses %j", (text) => {
    expect(parseTraceparent(text)).toBeUndefined();
  });
});

describe("traceOf", () => {
  const of = (headers: Record<string, string>) => traceOf(new Headers(headers));

  test("takes a tracestate only with a traceparent, and only one that may be passed on", () => {
    expect(of({ traceparent: good })).toEqual({ traceparent: good });
    const tracestate = "vendor=a:b,t@other=1";
    expect(of({ traceparent: good, tracestate })).toEqual({ traceparent: good, tracestate });
    expect(of({ traceparent: "no", tracestate })).toBeUndefined();
    for (const bad of ["", "novalue", "UPPER=1", "a=b=c", `a=${"x".repeat(512)}`]) {
      expect(of({ traceparent: good, tracestate: bad }), bad).toEqual({ traceparent: good });
    }
  });
});

describe("childTrace", () => {
  const hex = (bytes: number): string => "ab".repeat(bytes);

  test("stays in its parent's trace with a span id of its own", () => {
    const child = childTrace({ traceparent: good, tracestate: "v=1" }, hex);
    expect(child).toEqual({ traceparent: `00-${traceId}-${hex(8)}-01`, tracestate: "v=1" });
    expect(traceIdOf(child)).toBe(traceId);
  });

  test("begins a sampled trace without a parent", () => {
    expect(childTrace(undefined, hex)).toEqual({ traceparent: `00-${hex(16)}-${hex(8)}-01` });
  });
});
