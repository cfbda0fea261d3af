import type { Context, Tracer } from "@opentelemetry/api";
import { childTrace, formatTraceparent, parseTraceparent, plainTracing } from "../core/trace.ts";
import { version } from "../core/version.ts";
import { randomHex } from "../http/observe.ts";
import type { SpanStart, TraceContext, Tracing } from "../types/observe.ts";

/** The package that an app brings where it wants spans. */
type OpenTelemetry = typeof import("@opentelemetry/api");

/** Tracing that can take OpenTelemetry in. */
export interface LoadableTracing extends Tracing {
  /** Looks for `@opentelemetry/api`; without it contexts are passed on and nothing is recorded. */
  load(): Promise<void>;
}

/** Spans that go wherever the app's OpenTelemetry sends them. */
export function createTracing(): LoadableTracing {
  let tracing = plainTracing(randomHex);
  return {
    start: (span) => tracing.start(span),
    async load() {
      const api = await import("@opentelemetry/api").catch(() => undefined);
      if (api) tracing = openTelemetry(api);
    },
  };
}

/** Spans by whatever tracer is registered, at any time, with this copy of the package. */
function openTelemetry(api: OpenTelemetry): Tracing {
  const tracer = api.trace.getTracer("@runners/orchestrator", version);
  return {
    start: (start) => recorded(api, tracer, start),
  };
}

function recorded(
  api: OpenTelemetry,
  tracer: Tracer,
  { name, kind, attributes, parent }: SpanStart,
): ReturnType<Tracing["start"]> {
  const { SpanKind, SpanStatusCode, trace, context } = api;
  const outer = parentContext(api, kind, parent);
  const spanKind = kind === "server" ? SpanKind.SERVER : SpanKind.CLIENT;
  const span = tracer.startSpan(name, { kind: spanKind, attributes }, outer);
  const own = span.spanContext();
  // Without a tracer the span is its parent, or nothing; whoever is called still gets a context of his own.
  const made = api.isSpanContextValid(own) && own.spanId !== trace.getSpanContext(outer)?.spanId;
  const tracestate = own.traceState?.serialize();
  const traced: TraceContext = made
    ? {
        traceparent: formatTraceparent({ ...own, flags: own.traceFlags }),
        ...(tracestate && { tracestate }),
      }
    : childTrace(parent, randomHex);
  return {
    context: traced,
    run: (work) => (made ? context.with(trace.setSpan(outer, span), work) : work()),
    end(result = {}) {
      if (!made) return;
      if (result.attributes) span.setAttributes(result.attributes);
      if (result.error !== undefined) {
        span.setAttribute("error.type", result.error);
        span.setStatus({ code: SpanStatusCode.ERROR });
      }
      span.end();
    },
  };
}

/** The context in which a span begins: below its parent where it has one, else below what is current. */
function parentContext(
  api: OpenTelemetry,
  kind: SpanStart["kind"],
  parent: TraceContext | undefined,
): Context {
  const current = api.context.active();
  const known = parseTraceparent(parent?.traceparent);
  // The app's own span of a request has taken in the request's parent already.
  const inRequest = kind === "server" && api.trace.getSpan(current)?.isRecording();
  if (!known || inRequest) return current;
  const { traceId, spanId, flags } = known;
  const state = parent?.tracestate;
  return api.trace.setSpanContext(current, {
    traceId,
    spanId,
    traceFlags: flags,
    isRemote: true,
    ...(state !== undefined && { traceState: api.createTraceState(state) }),
  });
}
