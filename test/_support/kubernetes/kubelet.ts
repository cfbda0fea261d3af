import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Store, Stored } from "./store.ts";

/** An image as far as it matters here: what it starts with, and where. */
export interface Image {
  entrypoint: string[];
  cmd?: string[];
  cwd: string;
}

/** What a container has printed, which can be followed. */
export interface ContainerLog {
  readonly parts: readonly Buffer[];
  readonly ended: boolean;
  onChange(listener: () => void): () => void;
}

/** The kubelet of every node: it runs the containers of pods as processes of this machine. */
export interface Kubelet {
  logs(pod: Stored, container: string): ContainerLog | undefined;
  /** Ends a pod as its deletion does: `SIGTERM`, then `SIGKILL` after its grace; then it is gone. */
  end(pod: Stored, keep?: boolean): void;
  /** Kills its container, and says why. */
  kill(pod: Stored, reason: string): void;
  /** Kills its container with all that it has left behind, its log too. */
  forget(pod: Stored): void;
  /** From now on it hears nothing of a pod's node: the process goes on, and nobody is told. */
  cutOff(pod: Stored): void;
  isCutOff(pod: Stored): boolean;
  /** The processes that run. */
  running(): number;
  close(): Promise<void>;
}

interface Running {
  child: ChildProcess;
  killReason?: string;
  keep?: boolean;
  closed: Promise<void>;
}

/** Starts it; it runs what is scheduled, with the images that it is given. */
export function startKubelet(store: Store, images: ReadonlyMap<string, Image>): Kubelet {
  const runs = new Map<string, Running>();
  const begun = new Set<string>();
  const lost = new Set<string>();
  const logs = new Map<string, ReturnType<typeof createLog>>();
  const folders: string[] = [];

  function wait(pod: Stored, reason: string, message: string): void {
    const [container] = pod.spec.containers;
    const current = pod.status?.containerStatuses?.[0]?.state?.waiting;
    if (current?.reason === reason && current.message === message) return;
    store.update("pods", pod, (next) => {
      next.status.containerStatuses = [
        { name: container.name, ready: false, state: { waiting: { reason, message } } },
      ];
    });
  }

  /** Runs the first container; others of a pod are of no use here. */
  function begin(pod: Stored): void {
    const { uid, namespace, name } = pod.metadata;
    const container = pod.spec.containers.find((one: any) => images.has(one.image));
    if (!container) {
      const [{ image }] = pod.spec.containers;
      return wait(pod, "ErrImagePull", `failed to pull and unpack image "${image}": not found`);
    }
    const mounts = new Map<string, string>();
    for (const { name: volume, secret } of pod.spec.volumes ?? []) {
      // An empty folder is everywhere.
      if (!secret) continue;
      const found = store.get("secrets", namespace, secret.secretName);
      // As the real one, it looks again until it is there.
      if (!found) return wait(pod, "ContainerCreating", "");
      const folder = mkdtempSync(join(tmpdir(), "volume-"));
      folders.push(folder);
      for (const [key, data] of Object.entries(found.data as Record<string, string>)) {
        writeFileSync(join(folder, key), Buffer.from(data, "base64"));
      }
      const mount = container.volumeMounts.find((one: any) => one.name === volume);
      mounts.set(mount.mountPath, folder);
    }
    if (begun.has(uid)) return;
    begun.add(uid);
    const image = images.get(container.image)!;
    const env: Record<string, string> = { PATH: process.env.PATH!, HOSTNAME: name };
    for (const { name: variable, value = "" } of container.env ?? []) {
      env[variable] = expand(value, env);
    }
    // A container has its mounts where it says; a process finds them where they are.
    for (const [path, folder] of mounts) {
      for (const [key, value] of Object.entries(env)) {
        if (value.startsWith(`${path}/`)) env[key] = folder + value.slice(path.length);
      }
    }
    const command = container.command ?? image.entrypoint;
    const args = container.args ?? (container.command ? [] : (image.cmd ?? []));
    const [program, ...rest] = [...command, ...args].map((word: string) => expand(word, env));
    const child = spawn(program!, rest, {
      cwd: container.workingDir ?? image.cwd,
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const log = createLog();
    logs.set(`${uid}/${container.name}`, log);
    child.stdout.on("data", log.add);
    child.stderr.on("data", log.add);
    const running: Running = { child, closed: Promise.resolve() };
    running.closed = new Promise((resolve) => {
      child.on("close", (code, signal) => {
        log.end();
        runs.delete(uid);
        ended(pod, container.name, running, code, signal);
        resolve();
      });
    });
    runs.set(uid, running);
    store.update("pods", pod, (next) => {
      next.status.phase = "Running";
      const state = { running: { startedAt: new Date().toISOString() } };
      next.status.containerStatuses = [{ name: container.name, ready: true, state }];
    });
  }

  function ended(
    pod: Stored,
    container: string,
    { killReason, keep }: Running,
    code: number | null,
    signal: NodeJS.Signals | null,
  ): void {
    if (lost.has(pod.metadata.uid)) return;
    const exitCode = code ?? (signal === "SIGKILL" ? 137 : 143);
    const reason = killReason ?? (exitCode === 0 ? "Completed" : "Error");
    const now = store.update("pods", pod, (next) => {
      next.status.phase = exitCode === 0 ? "Succeeded" : "Failed";
      next.status.containerStatuses = [
        { name: container, ready: false, state: { terminated: { exitCode, reason } } },
      ];
    });
    if (now?.metadata.deletionTimestamp && !keep) store.remove("pods", now);
  }

  const off = store.onChange(({ resource, type, object }) => {
    if (resource === "pods" && type !== "DELETED" && object.spec.nodeName) {
      const fresh = !begun.has(object.metadata.uid) && !object.metadata.deletionTimestamp;
      if (fresh && object.status.phase === "Pending") queueMicrotask(() => begin(object));
    }
    if (resource !== "secrets" || type !== "ADDED") return;
    for (const pod of store.list("pods", object.metadata.namespace)) {
      if (pod.spec.nodeName && !begun.has(pod.metadata.uid)) queueMicrotask(() => begin(pod));
    }
  });

  return {
    logs: ({ metadata: { uid } }, container) => logs.get(`${uid}/${container}`),
    end(pod, keep = false) {
      const running = runs.get(pod.metadata.uid);
      if (lost.has(pod.metadata.uid)) return;
      if (!running) return void (keep || store.remove("pods", pod));
      running.keep = keep;
      running.child.kill("SIGTERM");
      const grace = (pod.spec.terminationGracePeriodSeconds ?? 30) * 1000;
      const timer = setTimeout(() => running.child.kill("SIGKILL"), grace);
      void running.closed.then(() => clearTimeout(timer));
    },
    kill(pod, reason) {
      const running = runs.get(pod.metadata.uid);
      if (!running) throw new Error(`${pod.metadata.name} does not run`);
      running.killReason = reason;
      running.child.kill("SIGKILL");
    },
    forget({ metadata: { uid }, spec }) {
      lost.add(uid);
      runs.get(uid)?.child.kill("SIGKILL");
      for (const { name } of spec.containers) logs.delete(`${uid}/${name}`);
    },
    cutOff: ({ metadata }) => void lost.add(metadata.uid),
    isCutOff: ({ metadata: { uid } }) => lost.has(uid) && runs.has(uid),
    running: () => runs.size,
    async close() {
      off();
      for (const { child } of runs.values()) child.kill("SIGKILL");
      await Promise.all([...runs.values()].map(({ closed }) => closed));
      for (const folder of folders) rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** `$(NAME)` is a variable's value and `$$` is `$`, as Kubernetes has it. */
function expand(text: string, env: Record<string, string>): string {
  return text.replaceAll(/\$\$|\$\(([\w.-]+)\)/g, (all, name?: string) =>
    name === undefined ? "$" : (env[name] ?? all),
  );
}

function createLog(): ContainerLog & { add: (part: Buffer) => void; end: () => void } {
  const parts: Buffer[] = [];
  const listeners = new Set<() => void>();
  let ended = false;
  const tell = (): void => listeners.forEach((listener) => listener());
  return {
    parts,
    get ended() {
      return ended;
    },
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    add(part) {
      parts.push(part);
      tell();
    },
    end() {
      ended = true;
      tell();
    },
  };
}
