import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { parse, parseAllDocuments, stringify } from "yaml";
import { createKubernetesExecutor } from "../../src/executors/kubernetes.ts";
import { attemptOf } from "../executors/kubernetes-support.ts";
import { root } from "../_support/app.ts";
import { startKubernetes } from "../_support/kubernetes.ts";
import { cli, runCli, startService } from "../_support/service.ts";

const folder = "deploy/kubernetes";
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const objectsOf = (file: string): any[] =>
  parseAllDocuments(read(`${folder}/${file}`)).map((document) => document.toJS());

const { resources, configMapGenerator, images } = parse(read(`${folder}/kustomization.yaml`));
const applied = resources.flatMap(objectsOf);
const named = (kind: string): any => applied.find((object: any) => object.kind === kind);
const [worker] = objectsOf("worker.yaml");
const [job] = objectsOf("job.yaml");
const pods = [named("Deployment"), worker, job].map(({ spec }) => spec.template.spec);

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

describe("the manifests", () => {
  test("fit each other", () => {
    const [{ name, files }] = configMapGenerator;
    const deployment = named("Deployment");
    const { serviceAccountName, volumes, containers } = deployment.spec.template.spec;
    const [{ env, volumeMounts, ports }] = containers;
    expect(named("ServiceAccount").metadata.name).toBe(serviceAccountName);
    expect(named("RoleBinding")).toMatchObject({
      roleRef: { kind: "Role", name: named("Role").metadata.name },
      subjects: [{ kind: "ServiceAccount", name: serviceAccountName }],
    });
    expect(volumes).toContainEqual({ name: "options", configMap: { name } });
    const { mountPath } = volumeMounts.find((mount: any) => mount.name === "options");
    const options = parse(read(`${folder}/options.yaml`));
    const paths = files.map((file: string) => `${mountPath}/${file}`);
    const variable = env.find((one: any) => one.name === "ORCHESTRATOR_KUBERNETES").value;
    expect(paths.toSorted()).toEqual([variable, options.template].toSorted());
    expect(job.spec.template.spec.containers.map((one: any) => one.name)).toContain(
      options.container,
    );
    const { matchLabels } = deployment.spec.selector;
    expect(deployment.spec.template.metadata.labels).toMatchObject(matchLabels);
    const service = named("Service").spec;
    expect(service.selector).toEqual(matchLabels);
    expect(ports.map((port: any) => port.name)).toContain(service.ports[0].targetPort);
    expect(containers[0].image.split(":")[0]).toBe(images[0].name);
  });

  test("call the command with options that it has, and set variables that the README has", async () => {
    const documented = [...read("README.md").matchAll(/`([A-Z_]+)`/g)].map(([, name]) => name);
    for (const { containers } of pods) {
      const [{ args, env = [] }] = containers;
      const { output } = await runCli([args[0], "--help"]);
      for (const flag of args.filter((arg: string) => arg.startsWith("--"))) {
        expect(output, args[0]).toContain(flag);
      }
      for (const { name } of env) expect(documented).toContain(name);
    }
    // What the comment has one make.
    for (const [, name] of read(`${folder}/orchestrator.yaml`).matchAll(/--from-literal=(\w+)/g)) {
      expect(documented).toContain(name);
    }
  });

  test("give what ends the time that it takes, and probe what is answered", async () => {
    const { terminationGracePeriodSeconds: grace, containers } = pods[0];
    const [{ args, lifecycle, ports, ...probes }] = containers;
    const shutdown = Number(args[args.indexOf("--shutdown-timeout") + 1]) / 1000;
    const [program, seconds] = lifecycle.preStop.exec.command;
    expect(program).toBe("sleep");
    expect(grace).toBeGreaterThanOrEqual(Number(seconds) + shutdown + 3);
    const [{ args: ofWorker }] = pods[1].containers;
    const stop = Number(ofWorker[ofWorker.indexOf("--stop-timeout") + 1]) / 1000;
    expect(pods[1].terminationGracePeriodSeconds).toBeGreaterThanOrEqual(stop + 5);
    expect(ports).toEqual([{ name: "http", containerPort: 7070 }]);
    const service = await startService({ args: args.slice(1) });
    stops.push(() => service.stop("SIGKILL"));
    for (const name of ["startupProbe", "readinessProbe", "livenessProbe"]) {
      const { path, port } = probes[name].httpGet;
      expect(port).toBe("http");
      expect((await fetch(service.url + path)).status, name).toBe(200);
    }
    // One replica has more than its own start to go by.
    expect(probes.readinessProbe.httpGet.path).toBe("/ready");
  });

  test("have a template that makes Jobs, which execute runners", async () => {
    const runners = join(root, "test/_support/kubernetes/runners.mjs");
    const template = structuredClone(job);
    const [container] = template.spec.template.spec.containers;
    // A process has no file system of its own.
    container.args = container.args.map((arg: string) =>
      arg === "/app/runners.mjs" ? runners : arg,
    );
    const image = { entrypoint: [process.execPath, cli], cmd: ["serve"], cwd: root };
    const cluster = await startKubernetes({ [container.image]: image });
    stops.push(() => cluster.stop());
    const { url: server, ca, token } = cluster;
    const { template: _, ...options } = parse(read(`${folder}/options.yaml`));
    const scratch = await mkdtemp(join(tmpdir(), "manifests-"));
    stops.push(() => rm(scratch, { recursive: true, force: true }));
    const file = join(scratch, "job.yaml");
    await writeFile(file, stringify(template));
    const executor = createKubernetesExecutor({ ...options, template: file, server, ca, token });
    stops.push(() => executor.close!());
    const large = { text: "x".repeat(50_000) };
    for (const input of [{ a: 1 }, large]) {
      const { results } = await executor.execute(attemptOf("ok", { input }));
      expect(results).toMatchObject([{ status: "pass", details: input }]);
    }
    const { spec } = cluster.store.list("jobs")[1]!.spec.template;
    expect(spec).toMatchObject({
      automountServiceAccountToken: false,
      containers: [{ resources: container.resources }],
    });
    expect(spec.volumes.map(({ name }: any) => name)).toEqual([
      "shared-memory",
      "scratch",
      "order",
    ]);
  });
});

test("docs/kubernetes.md has every option, and what the Role allows", () => {
  const docs = read("docs/kubernetes.md");
  const [, body] = /^export interface KubernetesConfig \{\n(.*?)^\}/ms.exec(
    read("src/types/kubernetes.ts"),
  )!;
  const options = [...body!.matchAll(/^ {2}(\w+)\?:/gm)].map(([, name]) => name!);
  expect(options.length).toBeGreaterThan(10);
  for (const option of options) expect(docs).toContain(`\`${option}\``);
  for (const { resources, verbs } of named("Role").rules) {
    expect(docs).toMatch(new RegExp(`\`${resources[0]}\`: ${verbs.join(", ")}`));
  }
});
