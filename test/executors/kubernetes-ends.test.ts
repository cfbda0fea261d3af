import { describe, expect, test } from "vitest";
import {
  attemptOf,
  isRunning,
  jobOf,
  kubernetesTests,
  linesOf,
  newFile,
  podOf,
  until,
} from "./kubernetes-support.ts";

const { cluster, open } = kubernetesTests();

describe.concurrent("a pod that is lost", () => {
  test.for([
    ["crashes", "exit code 3"],
    ["ends for want of memory", "OOMKilled, exit code 137"],
    ["is evicted", "TerminationByKubelet: The node was low on resource: memory."],
    ["is deleted", "the pod was deleted"],
    ["is on a node that is lost", "DeletionByTaintManager: Taint manager: deleting"],
    ["loses its Job", "was deleted"],
  ] as const)("that %s rejects with %s", async ([how, reason]) => {
    const { controllers, kubelet } = cluster();
    const attempt = attemptOf(how === "crashes" ? "crashes" : "endless", {
      input: { file: newFile() },
    });
    const template = {
      spec: {
        terminationGracePeriodSeconds: 1,
        containers: [{ name: "runner", image: "checks:1", args: ["worker", "--order"] }],
      },
    };
    let begun!: () => void;
    const running = new Promise<void>((resolve) => (begun = resolve));
    const lost = expect(
      open({ template }).execute({ ...attempt, onEvent: begun }),
    ).rejects.toMatchObject({
      code: "WORKER_LOST",
      retryable: true,
      message: expect.stringContaining(reason),
    });
    if (how !== "crashes") {
      await running;
      const pod = await podOf(cluster(), attempt, isRunning);
      if (how === "ends for want of memory") kubelet.kill(pod, "OOMKilled");
      if (how === "is evicted") controllers.evict(pod, "The node was low on resource: memory.");
      if (how === "is deleted") controllers.remove("pods", pod, "Background");
      if (how === "is on a node that is lost") controllers.loseNode(pod);
      if (how === "loses its Job")
        controllers.remove("jobs", jobOf(cluster(), attempt)!, "Background");
    }
    await lost;
  });
});

describe.concurrent("an attempt that is given up", () => {
  test("at its timeout deletes its Job, and its runner is stopped", async () => {
    const file = newFile();
    const attempt = attemptOf("endless", { input: { file }, timeout: 1500 });
    await expect(open().execute(attempt)).rejects.toMatchObject({
      code: "SERVER_TIMEOUT",
      retryable: true,
      message: expect.stringMatching(/^Worker orchestrator-\S+ did not answer in 1500 ms$/),
    });
    await until(cluster(), () => jobOf(cluster(), attempt) === undefined);
  });

  test("by its signal deletes its Job, and its runner is stopped", async () => {
    const file = newFile();
    const abort = new AbortController();
    const reason = new Error("canceled");
    const attempt = attemptOf("endless", {
      input: { file },
      signal: abort.signal,
      onEvent: () => abort.abort(reason),
    });
    await expect(open().execute(attempt)).rejects.toBe(reason);
    const gone = () =>
      !cluster()
        .store.list("pods")
        .some(({ metadata: { labels } }) => labels?.["runners-orchestrator/run"] === attempt.runId);
    await until(cluster(), gone);
    expect(jobOf(cluster(), attempt)).toBeUndefined();
    expect(linesOf(file)).toEqual(["stopped"]);
  });

  test("by its signal may be handed in again, whatever is left of the first", async () => {
    const file = newFile();
    const executor = open();
    for (const round of [1, 2]) {
      const abort = new AbortController();
      const reason = new Error(`canceled ${round}`);
      const attempt = attemptOf("endless", {
        runId: "again",
        idempotencyKey: "again/0",
        input: { file },
        signal: abort.signal,
        onEvent: () => setTimeout(() => abort.abort(reason), 300 * (round - 1)),
      });
      await expect(executor.execute(attempt)).rejects.toBe(reason);
    }
    await executor.close!();
    expect(linesOf(file).length).toBeGreaterThan(0);
  });

  test("by its signal while its pod waits for a node leaves nothing that is begun later", async () => {
    const abort = new AbortController();
    const server = { id: "kubernetes/late", url: "", region: "late" };
    const attempt = attemptOf("ok", { signal: abort.signal, server });
    const canceled = expect(open().execute(attempt)).rejects.toThrow("canceled");
    await podOf(cluster(), attempt, ({ status }) => status.conditions.length > 0);
    abort.abort(new Error("canceled"));
    await canceled;
    await until(cluster(), () => jobOf(cluster(), attempt) === undefined);
    const pods = cluster().store.list("pods", "checks");
    expect(
      pods.filter(({ metadata: { labels } }) => labels!["runners-orchestrator/region"] === "late"),
    ).toEqual([]);
  });

  test("by its signal while its Job is made leaves none behind", async () => {
    const abort = new AbortController();
    const attempt = attemptOf("ok", { signal: abort.signal });
    const off = cluster().store.onChange(({ resource, object: { metadata } }) => {
      const key = metadata.annotations?.["runners-orchestrator/idempotency-key"];
      if (resource === "jobs" && key === attempt.idempotencyKey) abort.abort(new Error("canceled"));
    });
    await expect(open().execute(attempt)).rejects.toThrow("canceled");
    await until(cluster(), () => jobOf(cluster(), attempt) === undefined);
    off();
  });

  test("for an image that is not there says what the pod says, and deletes its Job", async () => {
    const attempt = attemptOf("ok", { wait: 500 });
    await expect(open({ image: "nowhere:1" }).execute(attempt)).rejects.toMatchObject({
      code: "NO_SERVER_AVAILABLE",
      retryable: true,
      message: expect.stringMatching(
        /^No pod has begun within 500 ms, in the Job \S+ of namespace checks: ErrImagePull: failed to pull and unpack image "nowhere:1": not found$/,
      ),
    });
    await until(cluster(), () => jobOf(cluster(), attempt) === undefined);
  });

  test("for a container that ends without an answer says how it ended", async () => {
    await expect(open({ image: "exits:1" }).execute(attemptOf("ok"))).rejects.toMatchObject({
      code: "WORKER_LOST",
      message: expect.stringContaining("it ended without an answer, exit code 7"),
    });
  });
});
