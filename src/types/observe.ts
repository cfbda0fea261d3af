/** What stands beside a message in a line of the log; never a credential, a body or a query. */
export type LogFields = Record<string, unknown>;

/** A log of JSON lines. */
export interface Log {
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
  /** The same log, with these fields in each line. */
  child(fields: LogFields): Log;
}

/** From which level on lines are written. */
export type LogLevel = "debug" | "error" | "fatal" | "info" | "silent" | "trace" | "warn";

/** W3C trace context, as headers carry it on. */
export interface TraceContext {
  traceparent: string;
  tracestate?: string;
}

/** What a span says of itself when it begins. */
export interface SpanStart {
  name: string;
  kind: "client" | "server";
  attributes: Record<string, number | string>;
  /** What it is a part of; a trace of its own without one. */
  parent?: TraceContext;
}

/** A span that has begun. */
export interface Span {
  /** What it is known by to those it calls. */
  readonly context: TraceContext;
  /** Runs something as a part of the span. */
  run<T>(work: () => T): T;
  /** @param error what kind of failure it ended with, if it did */
  end(result?: { attributes?: Record<string, number | string>; error?: string }): void;
}

/** Makes spans, which are recorded where something records them. */
export interface Tracing {
  start(span: SpanStart): Span;
}

/** One request that was answered; each text is one of a few. */
export interface AnsweredRequest {
  method: string;
  /** The pattern of its path. */
  route: string;
  status: number;
  seconds: number;
}

/** Counts event streams that are open. */
export interface EventStreamCount {
  inc(): void;
  dec(): void;
}

/** What the HTTP side tells of itself, and to whom. */
export interface Observability {
  log: Log;
  tracing: Tracing;
  request(answered: AnsweredRequest): void;
  eventStreams: EventStreamCount;
  /** All metrics, in Prometheus' text format. */
  metrics(): Promise<{ contentType: string; text: string }>;
}
