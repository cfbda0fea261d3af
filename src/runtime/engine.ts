import { createHash } from "node:crypto";
import { getRun, start } from "workflow/api";
import { getWorld } from "workflow/runtime";
import type { RunEngine, RunRecord, StartOutcome, StartRequest } from "../types/engine.ts";
import type { Claims } from "./claims.ts";
import type { RunEnds } from "./run-ends.ts";
import { createTurns } from "./turns.ts";
import { aroundCreate, type World } from "./world.ts";

const states = {
  pending: "queued",
  running: "running",
  completed: "completed",
  failed: "failed",
  cancelled: "cancelled",
} as const;

/** How often a run is read anew while somebody waits, for an end that another process brought about. */
const REREAD_MS = 1000;

/**
 * The `workflow` package behind our port.
 *
 * @param closing ends every wait, when the process is to end
 */
export function createEngine(claims: Claims, ends: RunEnds, closing: AbortSignal): RunEngine {
  // A claim is written before its run, so starts under one key must follow one another.
  const starting = createTurns();

  async function wait(
    runId: string,
    ms: number,
    caller?: AbortSignal,
  ): Promise<RunRecord | undefined> {
    const signal = caller ? AbortSignal.any([caller, closing]) : closing;
    const deadline = Date.now() + ms;
    for (;;) {
      // Listening before reading, so that no end falls between the two.
      const end = listen(runId, ends, signal);
      try {
        const run = await readRun(runId);
        const left = deadline - Date.now();
        const over = run?.state !== "queued" && run?.state !== "running";
        if (over || left <= 0 || signal?.aborted) return run;
        await end.within(Math.min(left, REREAD_MS));
      } finally {
        end.stop();
      }
    }
  }

  return {
    async start(request) {
      const { idempotency } = request;
      if (idempotency) {
        const { key } = idempotency;
        const fingerprint = digest(idempotency.fingerprint);
        return starting.take(key, () => claimAndStart(request, { key, fingerprint }, claims));
      }
      return { kind: "started", runId: await startStored(request) };
    },
    read: readRun,
    wait,
  };
}

async function claimAndStart(
  request: StartRequest,
  { key, fingerprint }: { key: string; fingerprint: string },
  claims: Claims,
): Promise<StartOutcome> {
  const standing = await claims.read(key);
  if (standing) {
    if (standing.fingerprint !== fingerprint) return { kind: "conflict" };
    if (await readRun(standing.runId)) return { kind: "repeated", runId: standing.runId };
  }
  let lost: { fingerprint: string; runId: string } | undefined;
  try {
    const runId = await startStored(request, async (id) => {
      const claim = { runId: id, fingerprint };
      if (standing) return claims.replace(key, claim);
      const stored = await claims.claim(key, claim);
      if (stored.runId === id) return;
      lost = stored;
      throw new Error("another process claimed the key");
    });
    return { kind: "started", runId };
  } catch (error) {
    if (!lost) throw error;
    return lost.fingerprint === fingerprint
      ? { kind: "repeated", runId: lost.runId }
      : { kind: "conflict" };
  }
}

/** Keeps a claim small, whatever the size of the request. */
function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** Starts a run whose creation is stored before it is queued, after `before` has seen its id. */
async function startStored(
  request: StartRequest,
  before?: (runId: string) => Promise<void>,
): Promise<string> {
  const world = getWorld();
  let runId: string | null = null;
  let stored: Promise<unknown> = Promise.resolve();
  const storing = aroundCreate(world, (event, create) => {
    runId = event.runId;
    const creation = (async () => {
      if (runId) await before?.(runId);
      return create();
    })();
    stored = creation;
    return creation;
  });
  const queue: World["queue"] = async (...args) => {
    await stored;
    return world.queue(...args);
  };
  try {
    const run = await start({ workflowId: request.workflowId }, request.args, {
      world: { ...storing, queue },
    });
    return run.runId;
  } catch (error) {
    const isStored = await stored.then(
      () => true,
      () => false,
    );
    // Stored but not queued, it would start at the next start of the process, unasked.
    if (runId && isStored) await world.events.create(runId, { eventType: "run_cancelled" });
    throw error;
  }
}

async function readRun(runId: string): Promise<RunRecord | undefined> {
  // Anything else cannot be a run of the engine's, and must not reach a path or a query.
  if (!/^wrun_[0-9A-HJKMNP-TV-Z]{26}$/.test(runId)) return undefined;
  const run = await getWorld()
    .runs.get(runId)
    .catch((error: unknown) => {
      if (error instanceof Error && error.name === "WorkflowRunNotFoundError") return undefined;
      throw error;
    });
  if (!run) return undefined;
  const state = states[run.status];
  return {
    runId,
    workflowId: run.workflowName,
    state,
    ...(state === "completed" && { output: await getRun(runId).returnValue }),
    ...(state === "failed" && { error: run.error?.message ?? "unknown error" }),
  };
}

function listen(
  runId: string,
  ends: RunEnds,
  signal: AbortSignal | undefined,
): { stop: () => void; within: (ms: number) => Promise<void> } {
  let wake: () => void = () => undefined;
  let woken = false;
  const notice = (): void => {
    woken = true;
    wake();
  };
  const unsubscribe = ends.subscribe(runId, notice);
  signal?.addEventListener("abort", notice);
  let timer: ReturnType<typeof setTimeout> | undefined;
  return {
    within: (ms) =>
      new Promise((resolve) => {
        if (woken) return resolve();
        wake = resolve;
        timer = setTimeout(resolve, ms);
      }),
    stop() {
      clearTimeout(timer);
      unsubscribe();
      signal?.removeEventListener("abort", notice);
    },
  };
}
