import { onAbort } from "../core/abort.ts";
import { backoff } from "../core/backoff.ts";
import { BodyTooLargeError } from "../core/body.ts";
import { OrchestratorError } from "../core/errors.ts";
import { bytesOf, createEventBounds, sanitizeEvent } from "../core/runner-events.ts";
import { isPlainObject } from "../core/runner-result.ts";
import { firstOf, sleep } from "../core/sleep.ts";
import type { ExecuteRequest } from "../types/executor.ts";
import type { RunnerExecuteReply } from "../types/runner.ts";
import type { WorkAnswer } from "../types/work.ts";
import type { KubernetesApi } from "./kubernetes-api.ts";
import { type ApiError, hasStatus, isPassing, refused, unreachable } from "./kubernetes-errors.ts";
import { createMessageLog } from "./kubernetes-log.ts";
import { replyOf, workerLost } from "./work-order.ts";

/** Bytes of an answer at most, as of one over HTTP. */
const ANSWER_BYTES = 5 * 1024 * 1024;

/** Characters of a message at most: what is around an answer comes on top. */
const MESSAGE = ANSWER_BYTES + 64 * 1024;

/** Milliseconds that a log may stay open once its container has ended. */
const OPEN_MS = 10_000;

/** Milliseconds in which the log of a container that has ended is asked for, while its node does not answer. */
const REST_MS = 3000;

/** Whose log is read. */
export interface LogOf {
  api: KubernetesApi;
  namespace: string;
  pod: string;
  container: string;
  nonce: string;
}

/** What is known of the pod meanwhile. */
export interface PodWatch {
  outage: number;
  signal: AbortSignal;
  /** Told when the worker has begun the order. */
  onBegun(): void;
  /** Why its container has ended; undefined while it has not. */
  ended(): string | undefined;
  /** Why it is being ended. */
  ending(): string | undefined;
  /** Resolves at the next change of its state. */
  change(): Promise<void>;
}

/**
 * Follows the log of a pod whose container runs, passes on its events, and answers with what it answered.
 *
 * @throws OrchestratorError `WORKER_LOST` where it ended without an answer
 */
export async function readAnswer(
  request: ExecuteRequest,
  { pod, ...log }: LogOf,
  watch: PodWatch,
): Promise<RunnerExecuteReply> {
  const { outage, signal } = watch;
  const access = { verb: "get", resource: "pods/log", namespace: log.namespace } as const;
  const bounds = createEventBounds(1);
  let answer: WorkAnswer | undefined;
  const messages = createMessageLog({
    ...log,
    pod,
    limit: MESSAGE,
    onMessage(message) {
      if (answer || !isPlainObject(message)) return;
      if (isPlainObject(message.answer))
        answer = { ...(message.answer as object as WorkAnswer), worker: pod };
      else if (typeof message.tooLarge === "number") throw new BodyTooLargeError(ANSWER_BYTES);
      else if (message.begun === true) watch.onBegun();
      else if (message.late === true) throw timeoutError(pod, request.timeout);
      else if (request.onEvent) {
        const event = sanitizeEvent(message);
        if (event && bounds.admit(event, bytesOf(JSON.stringify(message)))) request.onEvent(event);
      }
    },
  });
  let awaySince: number | undefined;
  for (let failures = 0; ;) {
    // A log that was read whole after its container had ended has nothing more to say.
    const ended = watch.ended();
    try {
      await readOnce(messages, watch);
      awaySince = undefined;
      failures = 0;
      if (answer) return take(answer, request, pod);
      if (ended !== undefined) throw workerLost(pod, ended);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof BodyTooLargeError) throw tooLarge(pod);
      if (answer) return take(answer, request, pod);
      if (hasStatus(error, 404)) {
        throw workerLost(pod, await reasonGone());
      }
      // Of a container that does not run yet, a log cannot be had.
      if (!isPassing(error) && !hasStatus(error, 400)) throw asRefusal(error);
      awaySince ??= Date.now();
      const unknown = error.status === 0 || watch.ended() === undefined;
      if (Date.now() - awaySince > (unknown ? outage : REST_MS)) throw givenUp(error);
    }
    failures++;
    const wait = 50 + backoff(failures, { base: 400, max: 2000 });
    await firstOf(
      signal,
      () => watch.change(),
      (over) => sleep(wait, over),
    );
    signal.throwIfAborted();
  }

  /** Why the pod is gone, which its log may tell before the watch does. */
  async function reasonGone(): Promise<string> {
    const known = (): string | undefined => watch.ended() ?? watch.ending();
    if (known() === undefined) {
      await firstOf(
        signal,
        () => watch.change(),
        (over) => sleep(REST_MS, over),
      );
    }
    return known() ?? "its pod is gone";
  }

  function asRefusal(error: unknown): unknown {
    return (error as { name?: unknown }).name === "ApiError"
      ? refused(error as ApiError, access)
      : error;
  }

  /** The node of a pod that has ended may be gone with its log, while the API server is there. */
  function givenUp(error: ApiError): OrchestratorError {
    const ended = watch.ended();
    return ended === undefined || error.status === 0
      ? unreachable(error, outage)
      : workerLost(pod, `${ended}; its log cannot be read: ${error.message}`);
  }
}

/** Reads the log to its end, or until a while after that of its container. */
async function readOnce(
  messages: ReturnType<typeof createMessageLog>,
  watch: PodWatch,
): Promise<void> {
  const cut = new AbortController();
  const off = onAbort(watch.signal, () => cut.abort(watch.signal.reason));
  let timer: ReturnType<typeof setTimeout> | undefined;
  let done = false;
  const hurry = (): void => {
    if (done) return;
    if (watch.ended() === undefined) return void watch.change().then(hurry);
    timer = setTimeout(() => cut.abort(hurried), OPEN_MS);
  };
  hurry();
  try {
    await messages.read({ follow: watch.ended() === undefined, signal: cut.signal });
  } catch (error) {
    if (error !== hurried) throw error;
  } finally {
    done = true;
    off();
    clearTimeout(timer);
  }
}

const hurried: unique symbol = Symbol("the container has ended");

function take(answer: WorkAnswer, request: ExecuteRequest, pod: string): RunnerExecuteReply {
  if (bytesOf(JSON.stringify(answer.body) ?? "") > ANSWER_BYTES) throw tooLarge(pod);
  return replyOf(answer, request);
}

function tooLarge(pod: string): OrchestratorError {
  return new OrchestratorError(
    "RESPONSE_TOO_LARGE",
    `Worker ${pod} answered with more than ${ANSWER_BYTES} bytes`,
  );
}

/** The error of an attempt whose time is up, whoever noticed. */
export function timeoutError(worker: string, timeout: number): OrchestratorError {
  const message = `Worker ${worker} did not answer in ${timeout} ms`;
  return new OrchestratorError("SERVER_TIMEOUT", message, { retryable: true });
}
