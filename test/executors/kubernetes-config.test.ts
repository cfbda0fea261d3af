import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { build } from "esbuild";
import { afterEach, describe, expect, test } from "vitest";
import { stringify } from "yaml";
import { readKubernetesVariable } from "../../src/executors/kubernetes-variable.ts";
import { createKubernetesExecutor } from "../../src/executors/kubernetes.ts";
import { root } from "../_support/app.ts";
import { runNode } from "../_support/process.ts";
import { attemptOf, jobOf, kubernetesTests } from "./kubernetes-support.ts";

const { cluster } = kubernetesTests();
const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

async function folderIn(parent: string): Promise<string> {
  const folder = await mkdtemp(join(parent, "kubernetes-"));
  folders.push(folder);
  return folder;
}

async function fileOf(text: string): Promise<string> {
  const file = join(await folderIn(tmpdir()), "file.yaml");
  await writeFile(file, text);
  return file;
}

/** A kubeconfig with one cluster, and a context for each namespace. */
function kubeconfig(): Promise<string> {
  const { url: server, ca, token } = cluster();
  const data = Buffer.from(ca).toString("base64");
  return fileOf(
    stringify({
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name: "stand-in", cluster: { server, "certificate-authority-data": data } }],
      users: [
        { name: "orchestrator", user: { token } },
        { name: "stranger", user: { token: "none" } },
      ],
      contexts: [
        {
          name: "one",
          context: { cluster: "stand-in", user: "orchestrator", namespace: "checks" },
        },
        { name: "two", context: { cluster: "stand-in", user: "orchestrator", namespace: "other" } },
        { name: "strange", context: { cluster: "stand-in", user: "stranger" } },
        { name: "nowhere", context: { cluster: "gone", user: "orchestrator" } },
      ],
      "current-context": "one",
    }),
  );
}

test("a kubeconfig says where and as whom, and each region may have a context of its own", async () => {
  const executor = createKubernetesExecutor({
    kubeconfig: await kubeconfig(),
    image: "checks:1",
    regions: { here: { nodeSelector: {} }, there: { context: "two" } },
  });
  await executor.start!();
  for (const [region, namespace] of [
    ["", "checks"],
    ["here", "checks"],
    ["there", "other"],
  ] as const) {
    const attempt = attemptOf("ok", { server: { id: "kubernetes", url: "", region } });
    expect((await executor.execute(attempt)).results).toMatchObject([{ status: "pass" }]);
    expect(jobOf(cluster(), attempt)!.metadata.namespace).toBe(namespace);
  }
  await executor.close!();
});

test("where nothing is configured, a pod's service account is used, else the default kubeconfig", async () => {
  const program = `
    import { createKubernetesExecutor } from "./executor.mjs";
    const executor = createKubernetesExecutor({ image: "checks:1", outage: 100 });
    await executor.start().catch(({ message }) => console.log(message));
    await executor.close();`;
  const folder = await bundled(program, join(root, ".tmp"));
  const file = await kubeconfig();
  expect(await runNode([join(folder, "program.mjs")], folder, { KUBECONFIG: file })).toEqual({
    code: 0,
    output: "",
  });
  const env = { KUBERNETES_SERVICE_HOST: "127.0.0.1", KUBERNETES_SERVICE_PORT: "1" };
  const { output } = await runNode([join(folder, "program.mjs")], folder, {
    ...env,
    KUBECONFIG: file,
  });
  // There is no certificate here, where a pod has one.
  expect(output).toContain("/var/run/secrets/kubernetes.io/serviceaccount/ca.crt");
  const nowhere = await runNode([join(folder, "program.mjs")], folder, { HOME: folder });
  expect(nowhere.output).toBe(
    "orchestrator.executors.kubernetes.kubeconfig cannot be used: none is set, no KUBECONFIG and no ~/.kube/config is there, and this is no pod\n",
  );
});

test("a process that has closed its executor ends by itself", async () => {
  const { url: server, ca, token } = cluster();
  const config = { server, ca, token, namespace: "checks", image: "checks:1" };
  const { onStart: _, ...attempt } = attemptOf("ok");
  const program = `
    import { createKubernetesExecutor } from "./executor.mjs";
    const executor = createKubernetesExecutor(${JSON.stringify(config)});
    const { results } = await executor.execute(${JSON.stringify(attempt)});
    await executor.close();
    console.log(results[0].status);`;
  const folder = await bundled(program, join(root, ".tmp"));
  const { code, output } = await runNode([join(folder, "program.mjs")], folder);
  expect({ code, output }).toEqual({ code: 0, output: "pass\n" });
});

test("without @kubernetes/client-node it says what to install", async () => {
  const program = `
    import { createKubernetesExecutor } from "./executor.mjs";
    await createKubernetesExecutor({ image: "a" }).start().catch(({ message }) => console.log(message));`;
  const folder = await bundled(program, tmpdir());
  const { output } = await runNode([join(folder, "program.mjs")], folder);
  expect(output).toBe(
    "orchestrator.executors.kubernetes is set, which needs the package @kubernetes/client-node. Install it with `npm install @kubernetes/client-node`.\n",
  );
});

describe("what cannot be used is refused at the start:", () => {
  const at = "orchestrator.executors.kubernetes";

  test.for([
    [{ context: "three" }, `${at}.kubeconfig cannot be used (FILE): it has no context "three"`],
    [{ context: "nowhere" }, 'The kubeconfig has no cluster for its context "nowhere"'],
    [{ kubeconfig: "/nowhere" }, `${at}.kubeconfig cannot be used (/nowhere): ENOENT`],
    [{ context: "strange" }, "Kubernetes does not know the credentials it was asked with"],
  ] as const)("%j", async ([more, message]) => {
    const file = await kubeconfig();
    const executor = createKubernetesExecutor({ kubeconfig: file, image: "a", ...more });
    await expect(executor.start!()).rejects.toThrow(message.replace("FILE", file));
    await executor.close!();
  });

  const containers = [{ name: "a", image: "a" }];
  test.for([
    [{}, ".spec must be an object of Kubernetes"],
    [
      { spec: { containers: [] } },
      ".spec.containers must be a list of containers, each with a name",
    ],
    [{ spec: { containers: [{}] } }, ".spec.containers must be a list of containers"],
    [{ spec: { containers } }, '.spec.containers has no container "b". There: a'],
    [{ spec: { template: {} } }, ".spec.template.spec must be an object"],
    [{ template: { spec: {} } }, ".template.spec.containers must be a list"],
    [{ metadata: { labels: { a: 1 } }, spec: { containers } }, ".spec.containers has no container"],
    [
      "/nowhere.yaml",
      " must be the path of a YAML or JSON file with one object (/nowhere.yaml: ENOENT",
    ],
  ] as const)("the template %j", async ([template, message]) => {
    const config = { kubeconfig: await kubeconfig(), template, container: "b" };
    const executor = createKubernetesExecutor(config as never);
    await expect(executor.start!()).rejects.toThrow(`${at}.template${message}`);
    await executor.close!();
  });

  test("labels of a template that are no texts", async () => {
    const file = await fileOf(stringify({ metadata: { labels: { a: 1 } }, spec: { containers } }));
    const executor = createKubernetesExecutor({ kubeconfig: await kubeconfig(), template: file });
    const said = `${at}.template (${file}).metadata.labels.a must be a text, in quotes`;
    await expect(executor.start!()).rejects.toThrow(said);
    await executor.close!();
  });
});

test.for(["Job", "PodTemplate", "Pod"])("a template's file says that it is a %s", async (kind) => {
  // Which the types of a client know by another name, and which no client knows yet.
  const container = {
    name: "a",
    image: "checks:1",
    args: ["worker", "--order"],
    lifecycle: { preStop: { exec: { command: ["true"] } } },
    fieldOfTomorrow: { a: 1 },
  };
  const template = { metadata: { labels: { app: "a" } }, spec: { containers: [container] } };
  const apiVersion = kind === "Job" ? "batch/v1" : "v1";
  const object = { Job: { spec: { template } }, PodTemplate: { template }, Pod: template }[kind]!;
  const file = await fileOf(`# A comment.\n---\n${stringify({ apiVersion, kind, ...object })}`);
  const executor = createKubernetesExecutor({ kubeconfig: await kubeconfig(), template: file });
  await executor.start!();
  const attempt = attemptOf("ok");
  expect((await executor.execute(attempt)).results).toMatchObject([{ status: "pass" }]);
  const { containers } = jobOf(cluster(), attempt)!.spec.template.spec;
  expect(containers[0]).toMatchObject(container);
  await executor.close!();
});

test("the variable has the options as JSON, or names a file with them", async () => {
  const name = "ORCHESTRATOR_KUBERNETES";
  const options = { image: "a", regions: { eu: {} } };
  const file = await fileOf(stringify(options));
  expect(await readKubernetesVariable(file, name)).toEqual(options);
  expect(await readKubernetesVariable(` ${JSON.stringify(options)}`, name)).toEqual(options);
  for (const wrong of ["{", "/nowhere", await fileOf("a: [")]) {
    await expect(readKubernetesVariable(wrong, name)).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      message: expect.stringMatching(
        /^ORCHESTRATOR_KUBERNETES must be JSON such as .* or a file's path \(/,
      ),
    });
  }
});

/** A folder with the executor as `executor.mjs`, and a program; below the repository its packages are found. */
async function bundled(program: string, parent: string): Promise<string> {
  const folder = await folderIn(parent);
  await build({
    entryPoints: [join(root, "src/executors/kubernetes.ts")],
    outfile: join(folder, "executor.mjs"),
    bundle: true,
    platform: "node",
    format: "esm",
    packages: "external",
  });
  await writeFile(join(folder, "program.mjs"), program);
  return folder;
}

test("no secret is told with what is wrong about a text", async () => {
  const broken = '{"token": "SECRET", "image": "x" "y"}';
  const file = await fileOf(broken);
  const options = { image: "checks:1", namespace: "checks" };
  const starts: (() => unknown)[] = [
    () => readKubernetesVariable(broken, "ORCHESTRATOR_KUBERNETES"),
    () => readKubernetesVariable("token: SECRET", "ORCHESTRATOR_KUBERNETES"),
    () => createKubernetesExecutor({ template: file }).start!(),
    () => createKubernetesExecutor({ ...options, kubeconfig: file }).start!(),
  ];
  for (const start of starts) {
    const error: unknown = await Promise.resolve(start()).catch((error: unknown) => error);
    expect(error).toMatchObject({ code: "CONFIG_INVALID" });
    expect(inspect(error)).not.toContain("SECRET");
  }
});
