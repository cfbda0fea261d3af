import { describe, expect, test } from "vitest";
import type { RunnerEvent } from "../../src/types/runner.ts";
import {
  attemptOf,
  jobOf,
  kubernetesTests,
  linesOf,
  newFile,
  podOf,
  until,
} from "./kubernetes-support.ts";

const { cluster, open } = kubernetesTests();

describe.concurrent("an attempt", () => {
  test("is a Job, whose pod's answer it is", async () => {
    const started: string[] = [];
    const input = { text: "$(PATH) $$ ${HOME} ü🎭" };
    const attempt = attemptOf("ok", { input, onStart: (worker) => started.push(worker) });
    const reply = await open().execute(attempt);
    expect(reply).toMatchObject({
      runId: attempt.runId,
      results: [{ status: "pass", details: input }],
    });
    expect(started).toEqual([expect.stringMatching(/^orchestrator-[\da-f]{40}-\w{5}$/)]);
  });

  test("is answered by a failing result as it is", async () => {
    const { results } = await open().execute(attemptOf("fails"));
    expect(results).toMatchObject([{ status: "fail", details: { seen: "white" } }]);
  });

  test("rejects with what the contract has for a runner that is not there", async () => {
    await expect(open().execute(attemptOf("nobody"))).rejects.toMatchObject({
      code: "RUNNER_NOT_FOUND",
      retryable: false,
    });
  });

  test("passes on what its runners tell, as it comes", async () => {
    const events: RunnerEvent[] = [];
    await open().execute(attemptOf("tells", { onEvent: (event) => events.push(event) }));
    expect(events).toMatchObject([
      { event: "checkpoint", type: "loaded", data: { at: "once" }, runner: "tells" },
      { event: "log", message: "half-way", meta: { share: 0.5 } },
      { event: "checkpoint", type: "done" },
    ]);
  });

  test("is answered by its worker alone, whatever its runner prints", async () => {
    const { results } = await open().execute(attemptOf("hostile"));
    expect(results).toMatchObject([{ name: "hostile", status: "pass", details: { order: null } }]);
  });

  test("has an order that is too large for a variable in a Secret, which goes with its Job", async () => {
    const input = { text: "ä$".repeat(150_000) };
    const attempt = attemptOf("ok", { input });
    const { results } = await open().execute(attempt);
    expect(results).toMatchObject([{ details: input }]);
    const job = jobOf(cluster(), attempt)!;
    const secret = cluster().store.get("secrets", "checks", job.metadata.name)!;
    expect(secret.metadata.ownerReferences).toMatchObject([{ kind: "Job", uid: job.metadata.uid }]);
    cluster().controllers.remove("jobs", job, "Background");
    expect(cluster().store.get("secrets", "checks", job.metadata.name)).toBeUndefined();
  });

  test("is refused with an order that is too large for a Secret too", async () => {
    const attempt = attemptOf("ok", { input: { text: "x".repeat(1024 * 1024) } });
    await expect(open().execute(attempt)).rejects.toMatchObject({
      code: "SERVER_REJECTED",
      retryable: false,
      message: expect.stringMatching(/has \d+ bytes, more than the 1024000 that a Secret/),
    });
    expect(jobOf(cluster(), attempt)).toBeUndefined();
  });

  test("takes an answer of almost 5 MiB, and refuses one above", async () => {
    const bytes = 5 * 1024 * 1024;
    const { results } = await open().execute(attemptOf("huge", { input: { bytes: bytes - 4096 } }));
    expect((results[0]!.details as { text: string }).text).toHaveLength(bytes / 2 - 2048);
    const over = open().execute(attemptOf("huge", { input: { bytes: bytes + 2 } }));
    await expect(over).rejects.toMatchObject({ code: "RESPONSE_TOO_LARGE", retryable: false });
  });

  test("has ids that are no labels in its annotations, and in its labels what they allow", async () => {
    const runId = "nightly: Zürich / 12";
    const attempt = attemptOf("ok", { runId, idempotencyKey: `${runId}/${"job".repeat(40)}` });
    await open({ labels: { team: "web" } }).execute(attempt);
    const { labels, annotations } = jobOf(cluster(), attempt)!.metadata;
    expect(annotations!["runners-orchestrator/idempotency-key"]).toBe(attempt.idempotencyKey);
    expect(labels).toEqual({
      "app.kubernetes.io/managed-by": "runners-orchestrator",
      "runners-orchestrator/run": expect.stringMatching(/^nightly-Z-rich-12-[\da-f]{12}$/),
      "runners-orchestrator/job": expect.stringMatching(/^(job)+jo-[\da-f]{12}$/),
      "runners-orchestrator/attempt": "1",
      team: "web",
    });
  });
});

describe.concurrent("a template", () => {
  test("keeps what it says, but for what makes its Job run once and end", async () => {
    const resources = { limits: { memory: "512Mi", cpu: "1" } };
    const template = {
      kind: "Job",
      metadata: { labels: { "cost-center": "7" }, annotations: { note: "kept" } },
      spec: {
        backoffLimit: 6,
        completions: 3,
        podFailurePolicy: { rules: [] },
        template: {
          metadata: { labels: { tier: "checks" } },
          spec: {
            serviceAccountName: "runner",
            restartPolicy: "OnFailure",
            tolerations: [{ key: "spot", operator: "Exists" }],
            containers: [
              { name: "proxy", image: "proxy:1" },
              {
                name: "checks",
                image: "checks:1",
                args: ["worker", "--order"],
                resources,
                env: [{ name: "REGION", value: "here" }],
              },
            ],
          },
        },
      },
    };
    const attempt = attemptOf("ok", { timeout: 30_000, wait: 20_000 });
    await open({ template, container: "checks", ttl: 90_500 }).execute(attempt);
    const { metadata, spec } = jobOf(cluster(), attempt)!;
    expect(metadata).toMatchObject({
      labels: { "cost-center": "7" },
      annotations: { note: "kept" },
    });
    expect(spec).toMatchObject({
      backoffLimit: 0,
      completions: 1,
      parallelism: 1,
      activeDeadlineSeconds: 110,
      ttlSecondsAfterFinished: 91,
      podFailurePolicy: { rules: [] },
    });
    const { containers, ...pod } = spec.template.spec;
    expect(pod).toMatchObject({
      serviceAccountName: "runner",
      restartPolicy: "Never",
      tolerations: [{ key: "spot" }],
    });
    expect(spec.template.metadata.labels).toMatchObject({ tier: "checks" });
    expect(spec.template.metadata.labels).not.toHaveProperty("cost-center");
    expect(containers[0]).toEqual({ name: "proxy", image: "proxy:1" });
    expect(containers[1]).toMatchObject({
      resources,
      env: [{ name: "REGION" }, { name: "ORCHESTRATOR_ORDER" }],
    });
  });

  test("is gone with its pod once its time is over", async () => {
    const attempt = attemptOf("ok");
    await open({ ttl: 1000 }).execute(attempt);
    await until(cluster(), () => jobOf(cluster(), attempt) === undefined);
  });
});

describe.concurrent("regions", () => {
  const of = (region: string) => ({ server: { id: `kubernetes/${region}`, url: "", region } });

  test("are the nodes that have that label, unless the options say otherwise", async () => {
    const plain = open().execute(attemptOf("ok", { ...of("eu-west-1"), wait: 400 }));
    await expect(plain).rejects.toMatchObject({
      code: "NO_SERVER_AVAILABLE",
      retryable: true,
      message: expect.stringContaining("didn't match Pod's node affinity/selector"),
    });
    const executor = open({
      regions: { a: { nodeSelector: { zone: "a" }, namespace: "other", image: "checks:2" } },
    });
    const attempt = attemptOf("ok", of("a"));
    expect(await executor.execute(attempt)).toMatchObject({ region: "a" });
    const job = jobOf(cluster(), attempt)!;
    expect(job.metadata).toMatchObject({
      namespace: "other",
      labels: { "runners-orchestrator/region": "a" },
    });
    expect(job.spec.template.spec).toMatchObject({
      nodeSelector: { zone: "a" },
      containers: [{ image: "checks:2" }],
    });
    await expect(executor.execute(attemptOf("ok", of("mars")))).rejects.toMatchObject({
      code: "NO_SERVER_AVAILABLE",
      message: expect.stringContaining(
        "for region mars. orchestrator.executors.kubernetes.regions has: a",
      ),
    });
  });
});

describe.concurrent("the same attempt again", () => {
  test("is executed once, handed in twice at a time and once more later, by any orchestrator", async () => {
    const file = newFile();
    const attempt = attemptOf("counted", { input: { file, hold: 300 } });
    const [first, second] = [open(), open()];
    const replies = await Promise.all([
      first.execute(attempt),
      first.execute(attempt),
      second.execute(attempt),
    ]);
    await until(cluster(), () => jobOf(cluster(), attempt)!.status.conditions !== undefined);
    // One that looks at the namespace already, and one that begins to.
    for (const later of [first, open()]) replies.push(await later.execute(attempt));
    expect(linesOf(file)).toHaveLength(1);
    for (const { results } of replies) expect(results).toMatchObject([{ status: "pass" }]);
    await first.execute({ ...attempt, attempt: 2 });
    expect(linesOf(file)).toHaveLength(2);
  });

  test("is joined by an orchestrator that comes up once the first was closed", async () => {
    const file = newFile();
    const attempt = attemptOf("counted", { input: { file, hold: 1000, text: "x".repeat(40_000) } });
    const first = open();
    const lost = expect(first.execute(attempt)).rejects.toMatchObject({
      code: "SERVER_UNREACHABLE",
    });
    await podOf(cluster(), attempt);
    await first.close!();
    await lost;
    const events: RunnerEvent[] = [];
    const onEvent = (event: RunnerEvent) => void events.push(event);
    expect((await open().execute({ ...attempt, onEvent })).results).toMatchObject([
      { status: "pass" },
    ]);
    expect(linesOf(file)).toHaveLength(1);
  });

  test("whose pod is gone with its answer is lost", async () => {
    const attempt = attemptOf("ok");
    await open().execute(attempt);
    const pod = await podOf(cluster(), attempt, ({ status }) => status.phase === "Succeeded");
    await until(cluster(), () => jobOf(cluster(), attempt)!.status.conditions !== undefined);
    cluster().store.remove("pods", pod);
    await expect(open().execute(attempt)).rejects.toMatchObject({
      code: "WORKER_LOST",
      retryable: true,
      message: expect.stringContaining("its pod is gone with the answer"),
    });
  });

  test("is refused where its Job is for something else", async () => {
    const attempt = attemptOf("ok", { input: { a: 1 } });
    await open().execute(attempt);
    const other = { ...attempt, job: { ...attempt.job, input: { a: 2 } } };
    await expect(open().execute(other)).rejects.toMatchObject({
      code: "SERVER_REJECTED",
      retryable: false,
      message: expect.stringContaining("is for another order"),
    });
    expect(jobOf(cluster(), attempt)).toBeDefined();
  });
});
