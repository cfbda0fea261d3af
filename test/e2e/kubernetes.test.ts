import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { linesOf, newFile, roleRules } from "../executors/kubernetes-support.ts";
import { send, until } from "../_support/api.ts";
import { root, workDir } from "../_support/app.ts";
import { startKubernetes, type TestKubernetes } from "../_support/kubernetes.ts";
import { cli, startService } from "../_support/service.ts";

let cluster: TestKubernetes;
let variable: string;

beforeAll(async () => {
  const cwd = join(root, "test/_support/kubernetes");
  const entrypoint = [process.execPath, cli];
  cluster = await startKubernetes({ "checks:1": { entrypoint, cmd: ["serve"], cwd } });
  cluster.roles.set("checks", roleRules());
  const { url: server, ca, token } = cluster;
  const regions = { a: { nodeSelector: { zone: "a" } } };
  variable = JSON.stringify({
    server,
    ca,
    token,
    regions,
    namespace: "checks",
    image: "checks:1",
  });
});
afterAll(() => cluster.stop());

test.concurrent.for(["SIGKILL", "SIGTERM"] as const)(
  "the service executes a run in k8s mode, also where it gets %s meanwhile: each job once",
  async (signal) => {
    const cwd = workDir();
    const env = { ORCHESTRATOR_KUBERNETES: variable };
    const first = await startService({ cwd, env, args: ["--shutdown-timeout", "200"] });
    const file = newFile();
    const runners = [
      { name: "counted", region: "a", input: { url: "https://example.com/", file, hold: 2500 } },
      { name: "tells", region: "a", input: { url: "https://example.com/b" } },
    ];
    const { status, body } = await send(`${first.url}/runs?mode=k8s`, { runners });
    expect(status, JSON.stringify(body)).toBe(201);
    await cluster.pod(() => linesOf(file).length === 1);
    await first.stop(signal);

    const second = await startService({ cwd, env });
    const { runId } = body;
    await until(
      async () => (await send(`${second.url}/runs/${runId}`)).body.run.status === "completed",
      20_000,
    );
    const { body: results } = await send(`${second.url}/api/orchestrator/${runId}`);
    expect(results.jobs.map((job: any) => job.results)).toEqual([
      [expect.objectContaining({ name: "counted", status: "pass" })],
      [expect.objectContaining({ name: "tells", status: "pass" })],
    ]);
    const { body: noted } = await send(`${second.url}/runs/${runId}/checkpoints`);
    expect(noted.checkpoints.map(({ type }: any) => type)).toEqual(["loaded", "done"]);
    expect(linesOf(file)).toHaveLength(1);
    const ofRun = cluster.store
      .list("jobs")
      .filter(({ metadata }) => metadata.labels!["runners-orchestrator/run"] === runId);
    expect(ofRun).toHaveLength(2);
    expect(await second.stop("SIGTERM")).toBe(0);
  },
);

test("the service does not start with what Kubernetes refuses, or with options that are none", async () => {
  for (const [given, said] of [
    [
      JSON.stringify({ ...JSON.parse(variable), token: "x" }),
      "Kubernetes does not know the credentials",
    ],
    [
      '{"namespace": "Checks", "image": "a"}',
      "ORCHESTRATOR_KUBERNETES.namespace must be a namespace",
    ],
    ["nowhere.yaml", "ORCHESTRATOR_KUBERNETES must be JSON such as"],
  ] as const) {
    const failing = startService({ env: { ORCHESTRATOR_KUBERNETES: given } });
    await expect(failing).rejects.toThrow(said);
  }
});
