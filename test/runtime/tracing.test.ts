import { SpanKind, SpanStatusCode } from "@opentelemetry/api";
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-node";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { traceIdOf } from "../../src/core/trace.ts";
import { observed } from "../../src/http/observe.ts";
import { scopeOf } from "../../src/http/request-scope.ts";
import { createTracing } from "../../src/runtime/tracing.ts";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const parentId = "b7ad6b7169203331";
const traceparent = `00-${traceId}-${parentId}-01`;
const spanIdOf = (context: { traceparent: string }): string => context.traceparent.slice(36, 52);

describe("without a tracer", () => {
  test("contexts are passed on, each with a span id of its own", async () => {
    const tracing = createTracing();
    const start = () =>
      tracing.start({
        name: "x",
        kind: "client",
        attributes: {},
        parent: { traceparent, tracestate: "v=1" },
      });
    const before = start();
    await tracing.load();
    const after = start();
    for (const { context } of [before, after]) {
      expect(traceIdOf(context)).toBe(traceId);
      expect(context.tracestate).toBe("v=1");
    }
    expect(new Set([parentId, spanIdOf(before.context), spanIdOf(after.context)]).size).toBe(3);
    after.end({ error: "x" });
    const alone = tracing.start({ name: "x", kind: "server", attributes: {} });
    expect(alone.context.traceparent).toMatch(/^00-[\da-f]{32}-[\da-f]{16}-01$/);
  });
});

describe("with the app's OpenTelemetry", () => {
  const exporter = new InMemorySpanExporter();
  const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  const tracing = createTracing();

  beforeEach(async () => {
    // Registered after the API was found, as an app's plugin may do it.
    await tracing.load();
    provider.register();
    exporter.reset();
  });
  afterAll(() => provider.shutdown());

  const observability = {
    log: { info() {}, warn() {}, error() {}, child: () => observability.log },
    tracing,
    request() {},
    eventStreams: { inc() {}, dec() {} },
    metrics: async () => ({ contentType: "", text: "" }),
  };

  test("a request is a server span below its parent, and what it calls is below that", async () => {
    const api = observed(
      async (request) => {
        const parent = scopeOf(request)!.trace;
        const attempt = tracing.start({
          name: "orchestrator attempt",
          kind: "client",
          attributes: { "orchestrator.attempt": 1 },
          parent,
        });
        attempt.end({ error: "SERVER_TIMEOUT" });
        // What others trace inside is a part of the request too.
        provider.getTracer("other").startSpan("inner").end();
        return new Response(attempt.context.traceparent, { status: 503 });
      },
      { route: "/api/orchestrator", service: false },
      observability,
    );
    const request = new Request("http://localhost/api/orchestrator/runs/r1?token=secret", {
      headers: { traceparent, tracestate: "vendor=1" },
    });
    const sent = await (await api(request)).text();
    const spans = Object.fromEntries(exporter.getFinishedSpans().map((span) => [span.name, span]));
    const server = spans["GET /api/orchestrator/runs/:id"]!;
    expect(server.kind).toBe(SpanKind.SERVER);
    expect(server.parentSpanContext).toMatchObject({ spanId: parentId, isRemote: true });
    expect(server.attributes).toEqual({
      "http.request.method": "GET",
      "http.route": "/api/orchestrator/runs/:id",
      "url.path": "/api/orchestrator/runs/r1",
      "url.scheme": "http",
      "http.response.status_code": 503,
      "error.type": "503",
    });
    expect(server.status.code).toBe(SpanStatusCode.ERROR);
    const client = spans["orchestrator attempt"]!;
    expect(client.kind).toBe(SpanKind.CLIENT);
    expect(client.parentSpanContext?.spanId).toBe(server.spanContext().spanId);
    expect(client.attributes["error.type"]).toBe("SERVER_TIMEOUT");
    expect(spans["inner"]!.parentSpanContext?.spanId).toBe(server.spanContext().spanId);
    for (const span of [server, client]) {
      expect(span.spanContext().traceId).toBe(traceId);
      expect(span.spanContext().traceState?.serialize()).toBe("vendor=1");
    }
    expect(sent).toBe(`00-${traceId}-${client.spanContext().spanId}-01`);
    expect(JSON.stringify(server.attributes)).not.toContain("secret");
  });

  test("a request inside a span of the app's own is below that one", async () => {
    const mount = { route: "", service: false } as const;
    const api = observed(async () => new Response("ok"), mount, observability);
    await provider.getTracer("app").startActiveSpan("outer", async (outer) => {
      await api(new Request("http://localhost/health", { headers: { traceparent } }));
      outer.end();
    });
    const [server, outer] = exporter.getFinishedSpans();
    expect(server!.name).toBe("GET /health");
    expect(server!.parentSpanContext?.spanId).toBe(outer!.spanContext().spanId);
    expect(server!.status.code).toBe(SpanStatusCode.UNSET);
  });
});
