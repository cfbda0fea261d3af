import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import {
  ApiException,
  BatchV1Api,
  CoreV1Api,
  KubeConfig,
  Log,
  makeInformer,
  type V1Pod,
} from "@kubernetes/client-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { root } from "../_support/app.ts";
import { startKubernetes, type TestKubernetes } from "../_support/kubernetes.ts";
import { roleRules } from "./kubernetes-support.ts";

// The executor brings requests and watches of its own: what they are tested on is held to a client of others.
let cluster: TestKubernetes;
let config: KubeConfig;
beforeAll(async () => {
  const entrypoint = [
    process.execPath,
    "-e",
    "console.log(process.env.WORD); setTimeout(() => {}, 1500)",
  ];
  cluster = await startKubernetes({ "words:1": { entrypoint, cwd: root } });
  config = new KubeConfig();
  const { url: server, ca, token } = cluster;
  config.loadFromClusterAndUser(
    { name: "c", server, caData: Buffer.from(ca).toString("base64"), skipTLSVerify: false },
    { name: "u", token },
  );
});
afterAll(() => cluster.stop());

const namespace = "checks";
const job = (name: string, spec: object = {}) => ({
  metadata: { name, labels: { app: "words" } },
  spec: {
    backoffLimit: 0,
    template: {
      metadata: { labels: { app: "words" } },
      spec: {
        restartPolicy: "Never",
        containers: [
          { name: "word", image: "words:1", env: [{ name: "WORD", value: "$$(hello) $(WHO)" }] },
        ],
        ...spec,
      },
    },
  },
});

test("the stand-in serves the generated client, its informer and its log", async () => {
  const batch = config.makeApiClient(BatchV1Api);
  const core = config.makeApiClient(CoreV1Api);
  const seen: string[] = [];
  const informer = makeInformer(
    config,
    `/api/v1/namespaces/${namespace}/pods`,
    () => core.listNamespacedPod({ namespace, labelSelector: "app=words" }),
    "app=words",
  );
  const note = (what: string) => (pod: V1Pod) => {
    seen.push(
      `${what} ${pod.status?.phase} ${pod.status?.containerStatuses?.[0]?.state?.terminated?.exitCode ?? ""}`.trim(),
    );
  };
  informer.on("add", note("add"));
  informer.on("update", note("update"));
  informer.on("delete", note("delete"));
  await informer.start();

  const made = await batch.createNamespacedJob({ namespace, body: job("words") });
  expect(made.metadata).toMatchObject({ name: "words", uid: expect.any(String) });
  const pod = await cluster.pod(({ status }) => status.phase === "Running");
  const stream = new PassThrough();
  const printed = text(stream);
  await new Log(config).log(namespace, pod.metadata.name, "word", stream, { follow: true });
  expect(await printed).toBe("$(hello) $(WHO)\n");
  await cluster.pod(({ status }) => status.phase === "Succeeded");
  const { status } = await batch.readNamespacedJob({ namespace, name: "words" });
  expect(status?.conditions).toMatchObject([{ type: "Complete", status: "True" }]);
  await batch.deleteNamespacedJob({
    namespace,
    name: "words",
    body: { propagationPolicy: "Background", preconditions: { uid: made.metadata!.uid! } },
  });
  await expect.poll(() => seen.at(-1), { timeout: 5000 }).toMatch(/^delete/);
  expect(seen).toEqual(
    expect.arrayContaining(["add Pending", "update Running", "update Succeeded 0"]),
  );
  await informer.stop();
  expect((await core.listNamespacedPod({ namespace })).items).toEqual([]);
});

test("the stand-in refuses as Kubernetes does", async () => {
  const batch = config.makeApiClient(BatchV1Api);
  const core = config.makeApiClient(CoreV1Api);
  const refusal = async (asked: Promise<unknown>): Promise<unknown> => {
    const error = await asked.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(ApiException);
    const { code, body } = error as ApiException<string>;
    return [code, (JSON.parse(body) as { reason: string }).reason];
  };
  const create = (name: string, spec?: object, where = namespace): Promise<unknown> =>
    batch.createNamespacedJob({ namespace: where, body: job(name, spec) });
  await create("twice", { nodeSelector: { zone: "nowhere" } });
  expect(await refusal(create("twice"))).toEqual([409, "AlreadyExists"]);
  expect(await refusal(create("x".repeat(64)))).toEqual([422, "Invalid"]);
  expect(await refusal(create("always", { restartPolicy: "Always" }))).toEqual([422, "Invalid"]);
  expect(await refusal(create("selects", { nodeSelector: { a: "b c" } }))).toEqual([
    422,
    "Invalid",
  ]);
  expect(await refusal(create("lost", {}, "nowhere"))).toEqual([404, "NotFound"]);
  const name = "twice";
  expect(
    await refusal(
      batch.deleteNamespacedJob({ namespace, name, body: { preconditions: { uid: "another" } } }),
    ),
  ).toEqual([409, "Conflict"]);
  cluster.roles.set(namespace, roleRules());
  expect(await refusal(core.readNamespacedSecret({ namespace, name }))).toEqual([403, "Forbidden"]);
  expect(await refusal(core.listNamespacedSecret({ namespace }))).toEqual([403, "Forbidden"]);
});
