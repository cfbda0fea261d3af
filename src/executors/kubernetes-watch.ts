import { backoff } from "../core/backoff.ts";
import { idleSleep } from "../core/sleep.ts";
import type { KubernetesApi } from "./kubernetes-api.ts";
import { ApiError, apiError, hasStatus } from "./kubernetes-errors.ts";
import type { KubernetesObject, ObjectList } from "./kubernetes-objects.ts";

/** One look at a kind of objects of a namespace, shared by all who wait for one of them. */
export interface SharedWatch<T extends KubernetesObject> {
  /**
   * Tells of the states of objects with that key from now on. Resolves when they are being looked at: what is
   * created later is not missed.
   */
  subscribe(key: string, listener: WatchListener<T>, signal: AbortSignal): Promise<() => void>;
  close(): void;
}

/** Who waits for an object. */
export interface WatchListener<T> {
  /** The object that is waited for, once it is known: another of that name may have been there before. */
  uid(): string | undefined;
  onObject(object: T): void;
  /** Told when the object of that uid is there no more. */
  onGone(): void;
  /** Told when the API server does not let itself be watched, and with undefined when it does again. */
  onFailure(error: ApiError | undefined): void;
}

/** What is looked at. */
export interface WatchOptions<T extends KubernetesObject> {
  api: KubernetesApi;
  /** Such as `/api/v1/namespaces/checks/pods`. */
  path: string;
  labelSelector: string;
  /** What an object is subscribed by; undefined for one that is nobody's. */
  keyOf(object: T): string | undefined;
}

/** Seconds after which the API server ends a watch, which then goes on where it was. */
const WATCH_S = 290;

/** Objects of a page: those of Jobs that have ended are among them until their time is up. */
const PAGE = 250;

/** Milliseconds that it goes on once nobody waits, since the next job may be near. */
const LINGER_MS = 5000;

/** Characters of one event at most; etcd stores no object of that size. */
const EVENT_CHARACTERS = 8 * 1024 * 1024;

/**
 * Lists, then watches from there; lists again where that is too long ago. It runs as long as somebody waits,
 * and keeps nothing but what somebody waits for.
 */
export function createSharedWatch<T extends KubernetesObject>(
  options: WatchOptions<T>,
): SharedWatch<T> {
  const { api, path, labelSelector, keyOf } = options;
  const listeners = new Map<string, Set<WatchListener<T>>>();
  let running: { stop: AbortController; listed: Promise<void> } | undefined;
  let linger: ReturnType<typeof setTimeout> | undefined;

  function listenersOf(object: T): WatchListener<T>[] {
    const key = keyOf(object);
    return key === undefined ? [] : [...(listeners.get(key) ?? [])];
  }

  function take(object: T): void {
    for (const listener of listenersOf(object)) listener.onObject(object);
  }

  function takeAway(object: T): void {
    for (const listener of listenersOf(object)) {
      if (listener.uid() === object.metadata.uid) listener.onGone();
    }
  }

  function fail(error: ApiError | undefined): void {
    for (const set of listeners.values()) for (const one of set) one.onFailure(error);
  }

  /** Answers with the version that the list is of. */
  async function list(signal: AbortSignal): Promise<string> {
    // Of what is made while the list is read, it says nothing.
    const known = [...listeners.values()].flatMap((set) =>
      [...set].map((listener) => ({ listener, uid: listener.uid() })),
    );
    const found = new Set<string | undefined>();
    let next: string | undefined;
    for (;;) {
      const query = { labelSelector, limit: PAGE, continue: next };
      const page = (await api.send({ path, query, signal })) as ObjectList<T>;
      for (const object of page.items) {
        found.add(object.metadata.uid);
        take(object);
      }
      next = page.metadata.continue || undefined;
      if (next !== undefined) continue;
      for (const { listener, uid } of known) {
        if (uid !== undefined && !found.has(uid)) listener.onGone();
      }
      return page.metadata.resourceVersion ?? "";
    }
  }

  /** Watches from a version until the stream ends; answers with the version to go on from. */
  async function watch(from: string, signal: AbortSignal, onOpen: () => void): Promise<string> {
    let version = from;
    let rest = "";
    const onText = (text: string): void => {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      if (rest.length > EVENT_CHARACTERS) throw new ApiError("an event without an end");
      for (const line of lines) {
        const { type, object } = eventOf<T>(line);
        version = object.metadata.resourceVersion ?? version;
        if (type === "BOOKMARK") continue;
        if (type !== "DELETED") take(object);
        else takeAway(object);
      }
    };
    const query = {
      labelSelector,
      watch: true,
      allowWatchBookmarks: true,
      timeoutSeconds: WATCH_S,
      resourceVersion: from,
    };
    try {
      await api.follow({ path, query, signal, onText, onOpen, idle: (WATCH_S + 30) * 1000 });
    } catch (error) {
      // What came before it broke need not come again.
      throw new BrokenWatch(version, error);
    }
    return version;
  }

  async function run(signal: AbortSignal, onListed: () => void): Promise<void> {
    let version: string | undefined;
    let failures = 0;
    while (!signal.aborted) {
      try {
        if (version === undefined) version = await list(signal);
        onListed();
        version = await watch(version, signal, () => {
          if (failures > 0) fail(undefined);
          failures = 0;
        });
      } catch (thrown) {
        if (signal.aborted) return;
        let error = thrown;
        if (thrown instanceof BrokenWatch) {
          version = thrown.version;
          error = thrown.cause;
        }
        // Too long ago for the server's memory: with a new list, at once.
        if (hasStatus(error, 410)) version = undefined;
        const cause =
          error instanceof ApiError
            ? error
            : new ApiError((error as Error).message, { cause: error });
        failures++;
        if (!hasStatus(cause, 410)) fail(cause);
        const wait = cause.retryAfter ?? 50 + backoff(failures, { base: 400, max: 5000 });
        await idleSleep(hasStatus(cause, 410) && failures === 1 ? 0 : wait, signal);
      }
    }
  }

  function start(): { stop: AbortController; listed: Promise<void> } {
    const stop = new AbortController();
    const listed = new Promise<void>((resolve) => void run(stop.signal, resolve));
    return { stop, listed };
  }

  function stop(): void {
    clearTimeout(linger);
    running?.stop.abort("over");
    running = undefined;
  }

  return {
    async subscribe(key, listener, signal) {
      clearTimeout(linger);
      const set = listeners.get(key) ?? new Set();
      listeners.set(key, set.add(listener));
      const unsubscribe = (): void => {
        if (!set.delete(listener) || set.size > 0) return;
        if (listeners.get(key) === set) listeners.delete(key);
        if (listeners.size > 0) return;
        linger = setTimeout(stop, LINGER_MS);
        linger.unref();
      };
      running ??= start();
      const { listed } = running;
      let off = (): void => undefined;
      const aborted = new Promise<void>((resolve) => {
        const abort = (): void => resolve();
        signal.addEventListener("abort", abort, { once: true });
        off = () => signal.removeEventListener("abort", abort);
      });
      await Promise.race([listed, aborted]);
      off();
      return unsubscribe;
    },
    close: stop,
  };
}

/** A watch that broke off, and how far it had come. */
class BrokenWatch extends Error {
  readonly version: string;

  constructor(version: string, cause: unknown) {
    super("broken watch", { cause });
    this.version = version;
  }
}

/** @throws ApiError for an event that tells of one, such as that the version is too long ago */
function eventOf<T>(line: string): { type: string; object: T & KubernetesObject } {
  let event: { type: string; object: T & KubernetesObject & { code?: number } };
  try {
    event = JSON.parse(line) as typeof event;
  } catch (cause) {
    throw new ApiError("an event that is no JSON", { cause });
  }
  if (event.type === "ERROR") {
    throw apiError(event.object.code ?? 500, JSON.stringify(event.object), undefined);
  }
  return event;
}
