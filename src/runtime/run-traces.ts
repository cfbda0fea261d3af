import { createHash } from "node:crypto";
import { formatTraceparent, parseTraceparent } from "../core/trace.ts";
import type { TraceContext } from "../types/observe.ts";
import { readStored, type World } from "./engine-world.ts";
import { isRunId } from "./engine.ts";
import { aboutOf, type Starts } from "./starts.ts";

/** Runs whose traces are kept in memory. */
const MAX_RUNS = 1000;

/**
 * Finds the trace that a run is a part of, reading its record once. A run that no request has started has
 * a trace of its own, which follows from its id, so that it is the same in every process.
 */
export function createRunTraces(
  world: () => World,
  starts: Pick<Starts, "find">,
): (runId: string) => Promise<TraceContext> {
  const known = new Map<string, Promise<TraceContext>>();

  async function read(id: string): Promise<TraceContext> {
    const runId = isRunId(id) ? id : id.startsWith("direct_") ? undefined : await starts.find(id);
    const run = runId && (await readStored(world(), runId, { resolveData: "none" }));
    const { traceparent, tracestate } = run ? aboutOf(run) : {};
    if (!parseTraceparent(traceparent)) return traceOfId(runId ?? id);
    return { traceparent: traceparent!, ...(tracestate !== undefined && { tracestate }) };
  }

  return (id) => {
    const found = known.get(id);
    if (found) return found;
    const reading = read(id).catch(() => {
      // A World that is out of reach must not keep a job from being executed; the next one asks it again.
      known.delete(id);
      return traceOfId(id);
    });
    if (known.size >= MAX_RUNS) known.delete(known.keys().next().value!);
    known.set(id, reading);
    return reading;
  };
}

function traceOfId(id: string): TraceContext {
  const digest = createHash("sha256").update(id).digest("hex");
  const traceparent = formatTraceparent({
    traceId: digest.slice(0, 32),
    spanId: digest.slice(32, 48),
    flags: 1,
  });
  return { traceparent };
}
