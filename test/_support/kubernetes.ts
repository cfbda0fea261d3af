import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { createApi, refuse } from "./kubernetes/api.ts";
import { createCertificate } from "./kubernetes/certificate.ts";
import {
  type Controllers,
  type ControlPlane,
  type Node,
  startControllers,
} from "./kubernetes/controllers.ts";
import { type Image, type Kubelet, startKubelet } from "./kubernetes/kubelet.ts";
import type { Rule } from "./kubernetes/rules.ts";
import { createStore, type Store, type Stored } from "./kubernetes/store.ts";

export type { Image, Node, Rule, Stored };

/** Requests to answer otherwise than they would be. */
export interface Fault {
  /** Of method and path, such as `POST /apis/batch`. */
  matches: RegExp;
  /** How many of them. */
  times: number;
  status: number;
  headers?: Record<string, string>;
}

/** A stand-in for a cluster: its API server, its controllers, and a kubelet that runs real processes. */
export interface TestKubernetes {
  url: string;
  ca: string;
  token: string;
  store: Store;
  kubelet: Kubelet;
  controllers: Controllers;
  plane: ControlPlane;
  /** What a namespace's Role allows; without one, all is allowed there. */
  roles: Map<string, Rule[] | undefined>;
  quota: { jobs?: number };
  faults: Fault[];
  /** Milliseconds after which it is told that something was made, though all see it before. */
  lateness: { ms: number };
  /** All that was asked and allowed, such as `create batch/jobs`. */
  used: Set<string>;
  /** Every request, such as `POST /apis/batch/v1/namespaces/checks/jobs`. */
  requests: string[];
  readonly watches: number;
  dropWatches(): void;
  /** Cuts every connection and takes no new one. */
  goAway(): Promise<void>;
  comeBack(): Promise<void>;
  /** Resolves with the first pod that is as asked, also one that is there. */
  pod(matches: (pod: Stored) => boolean, ms?: number): Promise<Stored>;
  stop(): Promise<void>;
}

/** Starts one with the namespaces `checks` and `other`, and one node. */
export async function startKubernetes(images: Record<string, Image>): Promise<TestKubernetes> {
  const store = createStore();
  const plane: ControlPlane = { nodes: [{ name: "node-1", labels: { zone: "a" } }] };
  const kubelet = startKubelet(store, new Map(Object.entries(images)));
  const controllers = startControllers(store, kubelet, plane);
  const { key, cert } = createCertificate();
  const shared = {
    token: "a-token-of-a-service-account",
    roles: new Map<string, Rule[] | undefined>(),
    quota: {} as { jobs?: number },
    used: new Set<string>(),
    lateness: { ms: 0 },
  };
  const api = createApi({
    ...shared,
    store,
    kubelet,
    controllers,
    namespaces: new Set(["checks", "other", "default"]),
    user: "system:serviceaccount:checks:orchestrator",
  });
  const sockets = new Set<Duplex>();
  const requests: string[] = [];
  let server: Server | undefined;
  let port = 0;

  async function listen(): Promise<void> {
    server = createServer({ key, cert }, (request, response) => {
      requests.push(`${request.method} ${request.url}`);
      answer(request, response);
    });
    server.on("connection", (socket) => {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket)).on("error", () => {});
    });
    server.on("tlsClientError", () => {});
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    ({ port } = server.address() as AddressInfo);
  }

  function answer(request: IncomingMessage, response: ServerResponse): void {
    const line = `${request.method} ${request.url}`;
    const fault = cluster.faults.find(({ matches, times }) => times > 0 && matches.test(line));
    if (!fault) return api.handle(request, response);
    fault.times--;
    request.resume();
    refuse(response, fault.status, "", `a fault of the test (${fault.status})`, fault.headers);
  }

  async function goAway(): Promise<void> {
    const closing = server;
    server = undefined;
    const closed = closing && once(closing, "close");
    closing?.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  }

  const cluster: TestKubernetes = {
    ...shared,
    url: "",
    ca: cert,
    store,
    kubelet,
    controllers,
    plane,
    faults: [],
    requests,
    get watches() {
      return api.watches;
    },
    dropWatches: () => api.dropWatches(),
    goAway,
    comeBack: listen,
    pod: (matches, ms = 20_000) =>
      new Promise((resolve, reject) => {
        const look = (): boolean => {
          const found = store.list("pods").find(matches);
          if (found) resolve(found);
          return found !== undefined;
        };
        if (look()) return;
        const timer = setTimeout(() => {
          off();
          const pods = JSON.stringify(store.list("pods").map(({ status }) => status));
          reject(new Error(`no such pod within ${ms} ms, but ${pods}`));
        }, ms);
        const off = store.onChange(() => {
          if (!look()) return;
          off();
          clearTimeout(timer);
        });
      }),
    async stop() {
      controllers.close();
      await kubelet.close();
      await goAway();
    },
  };
  await listen();
  cluster.url = `https://127.0.0.1:${port}`;
  return cluster;
}
