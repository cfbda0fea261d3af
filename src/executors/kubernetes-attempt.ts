import { onAbort } from "../core/abort.ts";
import { OrchestratorError } from "../core/errors.ts";
import { longestTimer } from "../core/sleep.ts";
import type { ExecuteRequest } from "../types/executor.ts";
import type { RunnerExecuteReply } from "../types/runner.ts";
import { createJob, type MadeJob } from "./kubernetes-create.ts";
import { type ApiError, isPassing, refused, unreachable } from "./kubernetes-errors.ts";
import { jobName } from "./kubernetes-job.ts";
import type { Job, ObjectList, Pod } from "./kubernetes-objects.ts";
import { podState, type PodState } from "./kubernetes-pod.ts";
import { readAnswer, timeoutError } from "./kubernetes-answer.ts";
import { persistently } from "./kubernetes-retry.ts";
import { jobNameLabels, type KubernetesTarget } from "./kubernetes-target.ts";
import { workerLost } from "./work-order.ts";

/** How an attempt of Kubernetes ended. */
export interface KubernetesEnd {
  reply?: RunnerExecuteReply;
  error?: unknown;
  /** Its Job, as far as it is known; one that was asked for may be there all the same. */
  job?: MadeJob;
  asked: boolean;
  /** Whether its pod has ended by itself, so that there is nothing left to stop. */
  ended: boolean;
}

/** Milliseconds that the rest of a log may take once its pod is gone. */
const REST_MS = 2000;

/** Milliseconds beyond its grace that a pod may take to end. */
const BEYOND_MS = 5000;

/** Makes an attempt's Job, follows its pod, and reads its answer. Never rejects. */
export async function runAttempt(
  request: ExecuteRequest & { wait: number },
  target: KubernetesTarget,
  closing: AbortSignal,
): Promise<KubernetesEnd> {
  const { api, namespace, watches, template, options } = target;
  const name = jobName(request);
  const over = new AbortController();
  const timers = new Map<string, ReturnType<typeof setTimeout>>();
  const offs: (() => void)[] = [];
  let job: MadeJob | undefined;
  let pod: Pod | undefined;
  let state: PodState = { type: "pending" };
  let followed = false;
  let asked = false;
  /** What came before the Job's making had been answered. */
  let early: (() => void)[] = [];
  let settle!: (end: Pick<KubernetesEnd, "error" | "reply">) => void;
  const settled = new Promise<Pick<KubernetesEnd, "error" | "reply">>(
    (resolve) => (settle = resolve),
  );
  const fail = (error: unknown): void => settle({ error });
  const lose = (reason: string): void => fail(workerLost(pod?.metadata.name ?? name, reason));

  function startTimer(what: string, ms: number, expire: () => void): void {
    stopTimer(what);
    timers.set(what, setTimeout(expire, Math.min(ms, longestTimer)));
  }

  function stopTimer(what: string): void {
    clearTimeout(timers.get(what));
    timers.delete(what);
  }

  function onFailure(resource: "jobs" | "pods"): (error: ApiError | undefined) => void {
    return (error) => {
      if (!error) return stopTimer(`away ${resource}`);
      if (!isPassing(error)) return fail(refused(error, { verb: "watch", resource, namespace }));
      const { outage } = options;
      const what = `away ${resource}`;
      if (!timers.has(what)) startTimer(what, outage, () => fail(unreachable(error, outage)));
    };
  }

  function onJob(seen: Job): void {
    if (!job) return void early.push(() => onJob(seen));
    if (seen.metadata.uid !== job.uid) return;
    const failed = seen.status?.conditions?.find(
      ({ type, status }) => type === "Failed" && status === "True",
    );
    if (!failed || state.type === "ended") return;
    // What its pod says, or said last, is the better reason; there may be no pod.
    const reason = [failed.reason, failed.message].filter(Boolean).join(": ");
    startTimer("failed", pod ? BEYOND_MS : REST_MS, () => lose(reason));
  }

  function onPodGone(): void {
    const known = state.type === "ending" || state.type === "ended" ? state.reason : undefined;
    const reason = known ?? "its pod was deleted";
    startTimer("gone", followed ? REST_MS : 0, () => lose(reason));
  }

  function onPod(seen: Pod): void {
    if (!job) return void early.push(() => onPod(seen));
    if (!seen.metadata.ownerReferences?.some(({ uid }) => uid === job?.uid)) return;
    pod = seen;
    state = podState(seen, template.container);
    if (state.type === "running" || (state.type === "ended" && state.began)) follow(seen);
    const { type } = state;
    if (type === "ended" && !followed) lose(state.reason);
    if (type === "ending") {
      const { reason, grace } = state;
      startTimer("ending", followed ? grace + BEYOND_MS : 0, () => lose(reason));
    }
    for (const wake of waking.splice(0)) wake();
  }

  const waking: (() => void)[] = [];

  function follow(running: Pod): void {
    if (followed) return;
    followed = true;
    const worker = running.metadata.name;
    const log = { api, namespace, pod: worker, container: template.container, nonce: job!.nonce };
    readAnswer(request, log, {
      outage: options.outage,
      signal: over.signal,
      onBegun: () => begin(worker),
      ended: () => (state.type === "ended" ? state.reason : undefined),
      ending: () => (state.type === "ending" ? state.reason : undefined),
      change: () => new Promise((resolve) => waking.push(resolve)),
    }).then((reply) => settle({ reply }), fail);
  }

  function begin(worker: string): void {
    stopTimer("wait");
    const { timeout } = request;
    request.onStart?.(worker);
    startTimer("timeout", timeout, () => fail(timeoutError(worker, timeout)));
  }

  async function expire(): Promise<void> {
    // What goes on cannot be told while the API server is away, which has a limit of its own.
    if (timers.has("away jobs") || timers.has("away pods"))
      return startTimer("wait", 500, () => void expire());
    const { wait, server } = request;
    const where = server.region === "" ? "" : ` for region ${server.region}`;
    const obstacle = state.type === "pending" ? state.reason : undefined;
    const running = followed && "its container runs, and has not begun the order";
    const reason = obstacle ?? (running || (pod ? "it has not started" : await noPod()));
    fail(
      new OrchestratorError(
        "NO_SERVER_AVAILABLE",
        `No pod${where} has begun within ${wait} ms, in the Job ${name} of namespace ${namespace}: ${reason}`,
        { retryable: true },
      ),
    );
  }

  /** Why the Job has no pod, which its events tell alone. */
  async function noPod(): Promise<string> {
    try {
      const list = (await api.send({
        path: `/api/v1/namespaces/${namespace}/events`,
        query: { fieldSelector: `involvedObject.name=${name}`, limit: 50 },
        signal: AbortSignal.any([over.signal, AbortSignal.timeout(REST_MS)]),
      })) as { items: { type?: string; reason?: string; message?: string }[] };
      const warning = list.items.findLast(({ type }) => type === "Warning");
      if (warning)
        return [warning.reason, warning.message].filter(Boolean).join(": ").slice(0, 500);
    } catch {
      // The reason is said where it can be had.
    }
    return "it has no pod";
  }

  /** What was there before anybody looked. */
  async function findPods(): Promise<void> {
    const query = { labelSelector: `${jobNameLabels[1]}=${name}` };
    const path = `/api/v1/namespaces/${namespace}/pods`;
    const found = (await persistently(() => api.send({ path, query, signal: over.signal }), {
      outage: options.outage,
      signal: over.signal,
    })) as ObjectList<Pod>;
    const own = found.items.find(({ metadata }) =>
      metadata.ownerReferences?.some(({ uid }) => uid === job?.uid),
    );
    if (own) onPod(own);
  }

  async function launch(): Promise<void> {
    const listeners = {
      jobs: {
        uid: () => job?.uid,
        onObject: onJob,
        onGone: () => startTimer("gone", REST_MS, () => lose("its Job was deleted")),
        onFailure: onFailure("jobs"),
      },
      pods: {
        uid: () => pod?.metadata.uid,
        onObject: onPod,
        onGone: onPodGone,
        onFailure: onFailure("pods"),
      },
    };
    const subscribed = await Promise.all([
      watches.jobs.subscribe(name, listeners.jobs, over.signal),
      watches.pods.subscribe(name, listeners.pods, over.signal),
    ]);
    offs.push(...subscribed);
    if (over.signal.aborted) return subscribed.forEach((off) => off());
    asked = true;
    job = await createJob(request, target, over.signal);
    startTimer("wait", request.wait, () => void expire());
    const told = early;
    early = [];
    for (const tell of told) tell();
    if (!job.joined) return;
    await findPods();
    if (job.finished && !pod) lose("its Job has ended, and its pod is gone with the answer");
  }

  offs.push(onAbort(request.signal, () => fail(request.signal!.reason)));
  offs.push(onAbort(closing, () => fail(closing.reason)));
  if (!request.signal?.aborted && !closing.aborted) launch().catch(fail);
  const end = await settled;
  over.abort(new DOMException("the attempt is over", "AbortError"));
  for (const off of offs) off();
  for (const timer of timers.values()) clearTimeout(timer);
  return { ...end, ...(job && { job }), asked, ended: (state as PodState).type === "ended" };
}
