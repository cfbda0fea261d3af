import type { TraceContext, Tracing } from "../types/observe.ts";

/** The parts of a W3C `traceparent`. */
export interface TraceParent {
  /** 32 hexadecimal digits. */
  traceId: string;
  /** 16 hexadecimal digits. */
  spanId: string;
  flags: number;
}

/** Random hexadecimal digits, two for each of so many bytes. */
export type RandomHex = (bytes: number) => string;

/** The flags that have a meaning: sampled, and that the trace's id is random. */
const KNOWN_FLAGS = 0x03;
const SAMPLED = 0x01;

/** The parts of a `traceparent`, or undefined for one that is not exactly as W3C has it. */
export function parseTraceparent(text: string | null | undefined): TraceParent | undefined {
  const match = /^([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(-.*)?$/.exec(text ?? "");
  if (!match) return undefined;
  const [, version, traceId, spanId, flags, rest] = match as unknown as [string, ...string[]];
  if (version === "ff" || (version === "00" && rest !== undefined)) return undefined;
  if (/^0+$/.test(traceId!) || /^0+$/.test(spanId!)) return undefined;
  return { traceId: traceId!, spanId: spanId!, flags: Number.parseInt(flags!, 16) & KNOWN_FLAGS };
}

/** A `traceparent` of these parts. */
export function formatTraceparent({ traceId, spanId, flags }: TraceParent): string {
  return `00-${traceId}-${spanId}-${flags.toString(16).padStart(2, "0")}`;
}

/** The trace that a request is a part of; one that is not well written counts as none. */
export function traceOf(headers: Pick<Headers, "get">): TraceContext | undefined {
  const traceparent = headers.get("traceparent");
  if (!parseTraceparent(traceparent)) return undefined;
  const tracestate = headers.get("tracestate");
  const passed = tracestate !== null && isTracestate(tracestate);
  return { traceparent: traceparent!, ...(passed && { tracestate }) };
}

/**
 * A span's place below another, or at the head of a new trace. A new one is marked as sampled: a runner
 * server that records what its caller has recorded would else record nothing.
 */
export function childTrace(parent: TraceContext | undefined, hex: RandomHex): TraceContext {
  const known = parseTraceparent(parent?.traceparent);
  const { traceId, flags } = known ?? { traceId: hex(16), flags: SAMPLED };
  const tracestate = known && parent?.tracestate;
  return {
    traceparent: formatTraceparent({ traceId, spanId: hex(8), flags }),
    ...(tracestate !== undefined && { tracestate }),
  };
}

/** The id of a context's trace. */
export function traceIdOf({ traceparent }: TraceContext): string {
  return traceparent.slice(3, 35);
}

/** Passes trace contexts on, and records nothing. */
export function plainTracing(hex: RandomHex): Tracing {
  return {
    start: ({ parent }) => ({
      context: childTrace(parent, hex),
      run: (work) => work(),
      end: () => undefined,
    }),
  };
}

/** Whether a `tracestate` may be passed on: up to 32 members `key=value` in 512 characters. */
function isTracestate(text: string): boolean {
  if (text.length > 512) return false;
  const members = text.split(",").filter((member) => member.trim() !== "");
  return (
    members.length > 0 &&
    members.length <= 32 &&
    members.every((member) =>
      /^\s*[a-z\d][a-z\d_*/@-]{0,255}=[\x20-\x2B\x2D-\x3C\x3E-\x7E]+$/.test(member),
    )
  );
}
