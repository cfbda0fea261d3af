import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll } from "vitest";
import { parseAllDocuments } from "yaml";
import { createKubernetesExecutor } from "../../src/executors/kubernetes.ts";
import type { ExecuteRequest, Executor } from "../../src/types/executor.ts";
import type { KubernetesConfig } from "../../src/types/kubernetes.ts";
import { root } from "../_support/app.ts";
import {
  type Rule,
  startKubernetes,
  type Stored,
  type TestKubernetes,
} from "../_support/kubernetes.ts";
import { commandImages, type TestImages } from "../_support/kubernetes/images.ts";

/** A stand-in for the tests of a file, which may do there what `deploy/kubernetes/rbac.yaml` allows. */
export interface KubernetesTests {
  cluster(): TestKubernetes;
  /** An executor in the namespace `checks`, closed after the last test. */
  open(config?: Partial<KubernetesConfig>): Executor;
}

export function kubernetesTests(): KubernetesTests {
  let cluster: TestKubernetes;
  let made: TestImages;
  const executors: Executor[] = [];
  beforeAll(async () => {
    made = await commandImages();
    cluster = await startKubernetes(made.images);
    cluster.roles.set("checks", roleRules());
  });
  afterEach(() => {
    cluster.faults.length = 0;
  });
  afterAll(async () => {
    // Tests of a file run side by side.
    for (const executor of executors) await executor.close?.();
    await cluster.stop();
    made.remove();
  });
  return {
    cluster: () => cluster,
    open(config = {}) {
      const { url: server, ca, token } = cluster;
      const image = config.template === undefined ? { image: "checks:1" } : {};
      const all = { server, ca, token, namespace: "checks", ...image, ...config };
      const executor = createKubernetesExecutor(all);
      executors.push(executor);
      return executor;
    },
  };
}

/** The rules of the Role that is deployed. */
export function roleRules(): Rule[] {
  const text = readFileSync(join(root, "deploy/kubernetes/rbac.yaml"), "utf8");
  const role = parseAllDocuments(text)
    .map((document) => document.toJS() as { kind: string; rules: Rule[] })
    .find(({ kind }) => kind === "Role");
  return role!.rules;
}

let runs = 0;

/** An attempt of a job of one runner, under a key of its own. */
export function attemptOf(
  runner: string,
  { input, ...more }: Partial<ExecuteRequest> & { input?: object } = {},
): ExecuteRequest {
  const runId = `run-${++runs}`;
  return {
    server: { id: "kubernetes", url: "", region: "" },
    job: { url: "https://example.com", runners: [runner], ...(input && { input }) } as never,
    runId,
    idempotencyKey: `${runId}/0`,
    attempt: 1,
    timeout: 20_000,
    wait: 20_000,
    ...more,
  };
}

/** The pod of an attempt, once it is as asked. */
export function podOf(
  cluster: TestKubernetes,
  { idempotencyKey }: ExecuteRequest,
  matches: (pod: Stored) => boolean = isRunning,
): Promise<Stored> {
  return cluster.pod((pod) => {
    const [{ name } = { name: "" }] = pod.metadata.ownerReferences ?? [];
    const job = cluster.store.get("jobs", pod.metadata.namespace, name);
    const key = job?.metadata.annotations?.["runners-orchestrator/idempotency-key"];
    return key === idempotencyKey && matches(pod);
  });
}

export function isRunning(pod: Stored): boolean {
  return pod.status.phase === "Running";
}

/** The Job of an attempt. */
export function jobOf(
  cluster: TestKubernetes,
  { idempotencyKey }: ExecuteRequest,
): Stored | undefined {
  return cluster.store
    .list("jobs")
    .find(
      ({ metadata: { annotations } }) =>
        annotations?.["runners-orchestrator/idempotency-key"] === idempotencyKey,
    );
}

/** Resolves once something holds of what the cluster keeps. */
export function until(cluster: TestKubernetes, holds: () => boolean, ms = 10_000): Promise<void> {
  return new Promise((resolve, reject) => {
    if (holds()) return resolve();
    const timer = setTimeout(() => {
      off();
      reject(new Error(`not within ${ms} ms: ${holds}`));
    }, ms);
    const off = cluster.store.onChange(() => {
      if (!holds()) return;
      off();
      clearTimeout(timer);
      resolve();
    });
  });
}

/** A file that is not there yet. */
export function newFile(): string {
  return join(mkdtempSync(join(tmpdir(), "kubernetes-")), "file");
}

/** The lines of a file; none where it is not there. */
export function linesOf(file: string): string[] {
  try {
    return readFileSync(file, "utf8").trim().split("\n");
  } catch {
    return [];
  }
}
