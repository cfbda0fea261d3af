import { createHttpExecutor } from "../../../src/executors/http.ts";
import type { Server } from "../../../src/types/server.ts";
import { bundleProgram, removeProgram, startProgram } from "./programs.ts";
import { describeExecutor } from "./suite.ts";

const backend = "a runner server is its own backend, whose end is that of its attempts";

const goesOn = "a server keeps what it comes to, for a repeat under the same key";

describeExecutor({
  name: "http",
  pulls: false,
  crash: "SERVER_UNREACHABLE",
  goesOn,
  differences: {
    "aborting an attempt aborts its runner": goesOn,
    "an aborted attempt that nobody has begun is taken back":
      "a runner server begins what it is sent",
    "without a worker it waits, and then says so":
      "a server is picked, or waited for, before there is an attempt",
    "a worker that stops gives back what it cannot end":
      "what a server does not end when it drains is an error of its runner",
    "attempts under way survive a backend that goes and comes back": backend,
    "a backend that stays away is told as such": backend,
  },
  async open() {
    const program = await bundleProgram("http-program");
    const servers = new Map<string, Server>();
    const unused = (): Promise<never> => Promise.reject(new Error(backend));
    return {
      executor: createHttpExecutor(),
      another: async () => createHttpExecutor(),
      serverOf(region) {
        const server = servers.get(region);
        if (!server) throw new Error(`No server of region ${region}`);
        return server;
      },
      async startWorker(region) {
        const worker = await startProgram(program, { region }, /listening on (\d+)/);
        const url = `http://127.0.0.1:${worker.match[1]}/api/runner`;
        servers.set(region, { id: region, url, region });
        return worker;
      },
      breakBackend: unused,
      restoreBackend: unused,
      close: () => removeProgram(program),
    };
  },
});
