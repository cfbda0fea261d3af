import { queueOf } from "../../../src/core/pull.ts";
import { labelValue } from "../../../src/executors/kubernetes-job.ts";
import { createKubernetesExecutor } from "../../../src/executors/kubernetes.ts";
import type { Executor } from "../../../src/types/executor.ts";
import { root } from "../../_support/app.ts";
import { startKubernetes } from "../../_support/kubernetes.ts";
import { roleRules } from "../kubernetes-support.ts";
import { bundleProgram, removeProgram } from "./programs.ts";
import { describeExecutor } from "./suite.ts";

describeExecutor({
  name: "kubernetes",
  pulls: true,
  crash: "WORKER_LOST",
  differences: {
    "an aborted attempt that nobody has begun is taken back":
      "nobody need ask whether it is known: test/executors/kubernetes-ends.test.ts has it",
    "a worker that stops gives back what it cannot end":
      "a pod is for one attempt, which is lost with it, and made anew as the next",
  },
  async open() {
    const program = await bundleProgram("kubernetes-program");
    const image = { entrypoint: [process.execPath, program], cwd: root };
    const cluster = await startKubernetes({ "checks:1": image });
    cluster.roles.set("checks", roleRules());
    const opened: Executor[] = [];
    const openOne = async (outage?: number): Promise<Executor> => {
      const { url: server, ca, token } = cluster;
      const executor = createKubernetesExecutor({
        server,
        ca,
        token,
        namespace: "checks",
        image: "checks:1",
        ...(outage !== undefined && { outage }),
      });
      await executor.start!();
      opened.push(executor);
      return executor;
    };
    const executor = await openOne();
    return {
      executor,
      another: () => openOne(1500),
      serverOf: (region) => queueOf(executor, region),
      // A worker is a node, on which its region's pods may run.
      async startWorker(region) {
        const name = `node-of-${labelValue(region)}`;
        const labels = { "topology.kubernetes.io/region": labelValue(region) };
        cluster.plane.nodes.push({ name, labels });
        const leave = async (): Promise<void> => {
          cluster.plane.nodes = cluster.plane.nodes.filter((node) => node.name !== name);
          for (const pod of cluster.store.list("pods")) {
            const runs = pod.spec.nodeName === name && pod.status.phase === "Running";
            if (runs) cluster.kubelet.kill(pod, "Error");
          }
        };
        return { output: () => "", stop: leave, kill: leave };
      },
      breakBackend: () => cluster.goAway(),
      restoreBackend: () => cluster.comeBack(),
      async close() {
        await Promise.all(opened.map((one) => one.close!()));
        await cluster.stop();
        await removeProgram(program);
      },
    };
  },
});
