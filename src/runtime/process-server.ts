import { OrchestratorError, reasonOf } from "../core/errors.ts";
import { idleSleep } from "../core/sleep.ts";
import { standIn } from "../core/world-stand-in.ts";
import type { Readiness } from "../types/service.ts";
import type { OrchestratorContext } from "./compose.ts";
import type { HandlerSettings } from "./handler-options.ts";

/** The orchestrator of a process without a Nitro build. */
export interface ProcessServer {
  /** Rejects if the first attempt to start failed. */
  ready: Promise<void>;
  /** What serves requests now, once the attempt under way has ended; nothing where it failed. */
  context(): Promise<OrchestratorContext | undefined>;
  /** What serves requests at this moment. */
  current(): OrchestratorContext | undefined;
  readiness(): Readiness;
  /** Gives it up; the last who has it closes it. */
  release(): Promise<void>;
}

interface Shared extends Omit<ProcessServer, "release"> {
  settings: HandlerSettings;
  users: number;
  close(): Promise<void>;
}

/** How long after a failure the start is tried again. */
const RETRY_MS = 5000;

// By name, since a process may hold several copies of this file.
const slot: unique symbol = Symbol.for("@runners/orchestrator//server") as never;

/**
 * The process's one orchestrator, started if there is none. The engine has one World a process, so one
 * with other settings takes the place of the one before, as a module that is loaded anew in dev wants it.
 */
export function joinServer(settings: HandlerSettings): ProcessServer {
  const slots = globalThis as { [slot]?: Shared };
  const before = slots[slot];
  // Without users it is about to end.
  const inUse = before !== undefined && before.users > 0;
  const joins = inUse && isSame(before.settings, settings);
  if (inUse && !joins) {
    console.error(
      "[orchestrator] createOrchestratorHandler was called again with other options: these replace the ones before, since a process has one orchestrator",
    );
  }
  const shared = joins
    ? before
    : (slots[slot] = { settings, users: 0, ...startServer(settings, before?.close()) });
  shared.users++;
  let released = false;
  return {
    get ready() {
      return shared.ready;
    },
    // Whichever is there now: what took its place answers for it too.
    context: () => (slots[slot] ?? shared).context(),
    current: () => (slots[slot] ?? shared).current(),
    readiness: () => (slots[slot] ?? shared).readiness(),
    async release() {
      if (!released) shared.users--;
      released = true;
      if (shared.users > 0) return;
      await shared.close();
      if (slots[slot] === shared) delete slots[slot];
    },
  };
}

/** Whether two say the same: data by what it holds, functions and instances by being the same one. */
function isSame(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  if (!isData(one) || !isData(other)) return false;
  const keys = Object.keys(one);
  return (
    keys.length === Object.keys(other).length &&
    keys.every((key) => Object.hasOwn(other, key) && isSame(one[key], other[key]))
  );
}

/** True for plain objects, arrays and the namespaces of modules. */
function isData(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  return [Object.prototype, Array.prototype, null].includes(Object.getPrototypeOf(value));
}

/** Starts a server, and tries again as long as it fails: a folder may be that of a process about to end. */
function startServer(
  settings: HandlerSettings,
  before: Promise<void> | undefined,
): Omit<Shared, "settings" | "users"> {
  const closing = new AbortController();
  let started: OrchestratorContext | undefined;
  let failure = "";

  async function attempt(): Promise<void> {
    let context: OrchestratorContext | undefined;
    try {
      context = await loadServer(settings);
      await context.start();
      started = context;
    } catch (error) {
      const reason = reasonOf(error);
      if (reason !== failure) {
        console.error(`[orchestrator] cannot start: ${reason}\n(trying again every 5 s)`);
      }
      failure = reason;
      await context?.close().catch(() => undefined);
      throw error;
    }
  }

  async function tryAgain(): Promise<void> {
    while (!started) {
      await idleSleep(RETRY_MS, closing.signal);
      if (closing.signal.aborted) return;
      await attempt().catch(() => undefined);
    }
  }

  function readiness(): Readiness {
    if (started) return started.readiness();
    if (failure !== "")
      return { ready: false, reason: `The orchestrator cannot start: ${failure}` };
    return { ready: false, reason: "The orchestrator is starting" };
  }

  const ready = Promise.resolve(before)
    .catch(() => undefined)
    .then(attempt);
  // Said on stderr already; nobody has to look at it.
  ready.catch(tryAgain);
  let closed: Promise<void> | undefined;
  return {
    ready,
    async context() {
      await ready.catch(() => undefined);
      return closing.signal.aborted ? undefined : started;
    },
    current: () => (closing.signal.aborted ? undefined : started),
    readiness,
    close: () =>
      (closed ??= (async () => {
        closing.abort();
        await ready.catch(() => undefined);
        await started?.close();
      })()),
  };
}

/** Puts a server together that has not started; loads the engine, after what it must find when its modules are evaluated. */
export async function loadServer(settings: HandlerSettings): Promise<OrchestratorContext> {
  const { world } = settings.options;
  if (world.type === "target") process.env.WORKFLOW_TARGET_WORLD ||= world.name;
  standIn();
  // By this name, since the build of the package leaves what a dynamic import says as it is.
  const { composeStandalone } = await import("#orchestrator/standalone").catch(worldProblem);
  return composeStandalone(settings);
}

/** The engine loads the World's package when its own modules are evaluated, and says no more than what is not found. */
function worldProblem(error: unknown): never {
  const { code, message } = error as NodeJS.ErrnoException;
  const name = process.env.WORKFLOW_TARGET_WORLD;
  if (code !== "MODULE_NOT_FOUND" || !name) throw error;
  throw new OrchestratorError(
    "CONFIG_INVALID",
    `WORKFLOW_TARGET_WORLD or orchestrator.world names ${name}, which does not load: ${message.split("\n")[0]}; install it where the server is started`,
    { cause: error },
  );
}
