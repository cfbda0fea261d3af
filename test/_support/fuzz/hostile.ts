import * as fc from "fast-check";
import type { Change } from "./damage.ts";
import { oddTexts } from "./oddities.ts";
import type { Draft } from "./requests.ts";

/** Requests that nobody sends by mistake. */
export function hostile(right: fc.Arbitrary<Draft>): fc.Arbitrary<Draft> {
  return fc.tuple(right, fc.oneof(...attacks)).map(([draft, attack]) => ({
    ...attack(draft),
    kind: "hostile" as const,
  }));
}

const bodies = fc
  .constantFrom(
    ...[100, 101, 5000, 200_000].flatMap((depth) => [
      "[".repeat(depth) + "]".repeat(depth),
      '{"input":'.repeat(depth) + "1" + "}".repeat(depth),
      "[".repeat(depth),
    ]),
    '{"type":"a","data":"\\ud800"}',
    '{"__proto__":{"mode":"local"}}',
    '{"metadata":{"__proto__":1}}',
    '{"metadata":{"\\u005f_proto__":1}}',
    '{"a":1,"a":2}',
    '{"concurrency":1e400,"mode":"plan"}',
    `{"concurrency":${"9".repeat(400)},"mode":"plan"}`,
    "\uFEFF{}",
    "{}{}",
    "nul",
    '"text"',
    "[]",
    " ",
    '{"runners":[' + "{},".repeat(5000) + "{}]}",
    `{${Array.from({ length: 5000 }, (_, n) => `"k${n}":${n}`).join(",")}}`,
  )
  .map((text) => Buffer.from(text));

const broken = fc
  .constantFrom(
    [0xff, 0xfe],
    [0x7b, 0xc3, 0x28, 0x7d],
    [0x22, 0xed, 0xa0, 0x80, 0x22],
    [0],
    [0xf8, 0x88, 0x80],
  )
  .map((bytes) => Buffer.from(bytes));

const targets = fc.constantFrom(
  "/../../etc/passwd",
  "/api/orchestrator/../../../etc/passwd",
  "/%2e%2e/%2e%2e/etc/passwd",
  "/api/orchestrator/runs/..%2f..%2fetc",
  "/api/orchestrator/runs/%2e%2e/docs",
  "/api/orchestrator/runs/.%2e/health",
  "//evil.example/runs",
  "///",
  "/\\evil.example",
  "/runs\\..\\health",
  "/runs/",
  "/runs//",
  "//runs",
  "/runs;a=b",
  "/runs?",
  "/runs??limit=1",
  "/runs?limit=%",
  "/runs?limit=%ff&cursor=%00",
  "/runs#fragment",
  "/runs/%00",
  "/%",
  "/%c0%ae%c0%ae/",
  "/api/orchestrator/runs/known-1-known/events?replay=0&replay=100",
  "/api/orchestrator/runs/known-1-known/events/../checkpoints",
  "/API/ORCHESTRATOR/runs",
  "*",
  "http://evil.example/runs",
  "http://[::1",
  "runs",
  "?",
  "/.well-known/workflow/v1/flow",
  `/runs?${"a=b&".repeat(2500)}`,
  `/${"a/".repeat(3000)}`,
  `/runs?${"limit=1&".repeat(900)}`,
  "/runs/\u00ff\u00fe",
  "/runs/\u0000",
  "/runs/ x",
);

const absurd: [string, string][] = [
  ["Last-Event-ID", "9".repeat(5000)],
  ["Last-Event-ID", "9999-12-31T23:59:59.999Z"],
  ["Last-Event-ID", "0000-00-00T00:00:00.000Z"],
  ["Last-Event-ID", "2026-11-20T09:00:00.000Z\u0000"],
  ["Idempotency-Key", "k".repeat(8000)],
  ["Idempotency-Key", "../../../key"],
  ["Idempotency-Key", "__proto__"],
  ["Idempotency-Key", "\u00e9"],
  ["traceparent", `00-${"f".repeat(32)}-${"f".repeat(16)}-ff`],
  ["traceparent", `00-${"0".repeat(32)}-${"0".repeat(16)}-00`],
  ["traceparent", `cc-${"a".repeat(32)}-${"b".repeat(16)}-01-what`],
  ["traceparent", "00-" + "-".repeat(3000)],
  ["tracestate", "a=b,".repeat(1000)],
  ["X-Request-Id", "r".repeat(6000)],
  ["X-Request-Id", '"} {"level":"fatal"'],
  ["X-Actor-Id", " "],
  ["X-Forwarded-For", "1.1.1.1, ".repeat(500)],
  ["X-Forwarded-Proto", "javascript"],
  ["Host", ""],
  ["Host", "evil.example:99999"],
  ["Host", "[::"],
  ["Host", "a b"],
  ["Authorization", `Bearer ${"a".repeat(8000)}`],
  ["x-api-key", "\u00ff"],
  ["Content-Length", "-1"],
  ["Content-Length", "1e3"],
  ["Content-Encoding", "gzip"],
  ["Transfer-Encoding", "gzip, chunked"],
  ["Transfer-Encoding", "identity"],
  ["Expect", "100-continue"],
  ["Expect", "the unexpected"],
  ["Connection", "Upgrade"],
  ["Upgrade", "websocket"],
  ["Range", "bytes=0-0,-1"],
  ["If-None-Match", "*"],
  ["Origin", "null"],
  ["Sec-Fetch-Site", "cross-site"],
  ["Accept", "*/*;q=".repeat(1000)],
  ["Cookie", "a=b; ".repeat(2500)],
  ["X-Null", "a\u0000b"],
  ["X Y", "a space in a name"],
  ["__proto__", "polluted"],
  ["constructor", "polluted"],
];

const attacks: fc.Arbitrary<Change>[] = [
  fc.oneof(bodies, broken).map((bytes): Change => (draft) => ({ ...draft, bytes })),
  targets.map((target): Change => (draft) => ({ ...draft, target })),
  fc
    .array(fc.constantFrom(...absurd), { minLength: 1, maxLength: 3 })
    .map((more): Change => (draft) => ({
      ...draft,
      headers: [...draft.headers, ...more],
    })),
  fc.nat(150).map((count): Change => (draft) => ({
    ...draft,
    headers: [
      ...draft.headers,
      ...Array.from({ length: count }, (_, n) => [`X-${n}`, "v".repeat(90)] as [string, string]),
    ],
  })),
  fc.constantFrom("chunked", "cut-chunked", "cut-length").map((framing): Change => (draft) => ({
    ...draft,
    body: draft.body ?? { a: 1 },
    framing,
  })),
  // A megabyte and a byte more are rare, since each takes its time.
  fc.tuple(fc.nat(10_000), oddTexts).map(([at, text]): Change => (draft) => ({
    ...draft,
    method: at % 3 ? draft.method : "GET",
    bytes: Buffer.from(
      JSON.stringify({ type: text, data: "x".repeat(at % 20 ? at : 1024 * 1024) }),
    ),
  })),
];
