import { onAbort } from "../core/abort.ts";
import { backoff } from "../core/backoff.ts";
import { reasonOf } from "../core/errors.ts";
import { idleSleep } from "../core/sleep.ts";
import type { JoiningServer } from "../types/index.ts";
import type { RunnerHandler } from "./handler.ts";

/** Options of `joinOrchestrator`. */
export interface JoinOrchestratorOptions {
  /** Where the orchestrator's API is, such as `https://orchestrator.example.com/api/orchestrator`. */
  orchestrator: string;
  /** What the orchestrator is told: where it reaches this server, and for which region. */
  server: Omit<JoiningServer, "load">;
  /** A key of the orchestrator's with the scope `admin`. */
  apiKey?: string;
  /** The runner server itself: how much it has to do is told, and it leaves when it begins to drain. */
  handler?: Pick<RunnerHandler, "closing" | "inFlight">;
  /** Jobs this server has in flight, instead of what `handler` has. */
  load?: () => number;
  /** Leaves when it aborts. */
  signal?: AbortSignal;
  /** Told what goes wrong, each once, and when it is well again; by default stderr. */
  note?: (message: string) => void;
}

/** A server's membership. */
export interface Membership {
  /** Whether the orchestrator knows of it now, as far as was heard. */
  readonly joined: boolean;
  /** Resolves when it has joined for the first time, or leaves. */
  readonly ready: Promise<void>;
  /** Leaves, so that it gets no more jobs; never rejects. A second call joins the first. */
  leave(): Promise<void>;
}

/** Milliseconds that an orchestrator may take to answer. */
const patience = 5000;

/** Milliseconds between two heartbeats until the orchestrator says otherwise. */
const interval = 10_000;

/**
 * Joins an orchestrator as a runner server and tells it from time to time that it lives, until it leaves. One that
 * is away is tried again, and one that has forgotten this server is joined again. It keeps no process alive.
 *
 * @throws TypeError that names the option it cannot use
 */
export function joinOrchestrator(options: JoinOrchestratorOptions): Membership {
  const { server, handler, apiKey, note = toStderr } = options;
  const load = options.load ?? (handler && (() => handler.inFlight));
  const base = baseOf(options);
  const leaving = new AbortController();
  let id: string | undefined;
  let every = interval;
  let failures = 0;
  let said = "";
  let offs: (() => void)[] = [];
  let isJoined: () => void = () => undefined;
  const ready = new Promise<void>((resolve) => (isJoined = resolve));

  async function ask(path: string, method: string, body?: object): Promise<Response> {
    const headers: Record<string, string> = {};
    if (body) headers["content-type"] = "application/json";
    if (apiKey !== undefined) headers.authorization = `Bearer ${apiKey}`;
    const over = AbortSignal.timeout(patience);
    return fetch(base + path, {
      method,
      headers,
      redirect: "error",
      signal: over,
      ...(body && { body: JSON.stringify(body) }),
    });
  }

  function told(): { load?: number } {
    return load ? { load: load() } : {};
  }

  /** One sign of life: a heartbeat, or where it is unknown, a request to join. */
  async function sign(): Promise<void> {
    if (id !== undefined) {
      const state = {
        ...told(),
        ...(server.capacity !== undefined && { capacity: server.capacity }),
      };
      const answer = await ask(`/servers/${encodeURIComponent(id)}/heartbeat`, "POST", state);
      if (answer.status !== 404) return take(answer);
      await answer.body?.cancel();
      id = undefined;
    }
    await take(await ask("/servers", "POST", { ...server, ...told() }));
  }

  async function take(answer: Response): Promise<void> {
    const body = (await answer.json().catch(() => undefined)) as Answer | undefined;
    if (!answer.ok) throw new Error(body?.error ?? `it answered ${answer.status}`);
    const known = body?.server?.id;
    const wanted = body?.heartbeat?.interval;
    if (typeof known !== "string") throw new Error("it answers otherwise than an orchestrator");
    id = known;
    every = typeof wanted === "number" && wanted >= 1 ? wanted : interval;
    failures = 0;
    if (said !== "") note(`joined ${base} again as ${id}`);
    said = "";
    isJoined();
  }

  async function run(): Promise<void> {
    while (!leaving.signal.aborted) {
      const begun = Date.now();
      try {
        await sign();
      } catch (error) {
        failures++;
        const reason = reasonOf(error instanceof Error && error.cause ? error.cause : error);
        if (reason !== said) note(`cannot join ${base}: ${reason} (trying again)`);
        said = reason;
      }
      // Sooner than the next heartbeat is due, so that none is missed because of one that got lost.
      const wait = failures === 0 ? every : Math.min(every, 250 + backoff(failures, {}));
      await idleSleep(Math.max(0, wait - (Date.now() - begun)), leaving.signal);
    }
  }

  const running = run();
  let left: Promise<void> | undefined;
  const leave = (): Promise<void> =>
    (left ??= (async () => {
      leaving.abort();
      for (const off of offs) off();
      isJoined();
      // A request to join that is under way would come after.
      await running;
      if (id === undefined) return;
      try {
        const answer = await ask(`/servers/${encodeURIComponent(id)}`, "DELETE");
        await answer.body?.cancel();
      } catch {
        // It leaves by its silence then.
      }
      id = undefined;
    })());
  offs = [options.signal, handler?.closing].map((signal) => onAbort(signal, () => void leave()));
  return {
    get joined() {
      return id !== undefined && failures === 0 && !leaving.signal.aborted;
    },
    ready,
    leave,
  };
}

/** The part of an answer that is read. */
interface Answer {
  error?: string;
  server?: { id?: unknown };
  heartbeat?: { interval?: unknown };
}

/** The orchestrator's URL without a slash at its end, after a look at all options. */
function baseOf({ orchestrator, server, apiKey, load }: JoinOrchestratorOptions): string {
  assert(isHttpUrl(orchestrator), "orchestrator must be an absolute http(s) URL", orchestrator);
  assert(typeof server === "object" && server !== null, "server must be {url, region}", server);
  assert(isHttpUrl(server.url), "server.url must be an absolute http(s) URL", server.url);
  const { region } = server;
  assert(typeof region === "string" && region !== "", "server.region must be a text", region);
  if (apiKey !== undefined && !(typeof apiKey === "string" && /^[\x21-\x7E]+$/.test(apiKey))) {
    // Without what it was given, which may be most of a key.
    throw new TypeError("joinOrchestrator: options.apiKey must be visible ASCII characters");
  }
  assert(load === undefined || typeof load === "function", "load must be a function", load);
  return orchestrator.replace(/\/+$/, "");
}

function isHttpUrl(value: unknown): boolean {
  return typeof value === "string" && /^https?:\/\//i.test(value) && URL.canParse(value);
}

function assert(holds: boolean, rule: string, got: unknown): void {
  if (holds) return;
  const shown = typeof got === "string" ? JSON.stringify(got) : String(got);
  throw new TypeError(`joinOrchestrator: options.${rule} (got ${shown})`);
}

function toStderr(message: string): void {
  console.error(`[runner] ${message}`);
}
