import { vi } from "vitest";
import { createLocalExecutor } from "../../../src/executors/local.ts";
import { collectRunners } from "../../../src/runner/catalog.ts";
import { execute } from "../../../src/runner/execute.ts";
import * as runners from "./runners.ts";
import { describeExecutor } from "./suite.ts";

const here = "this process executes it, and nothing is sent or stored";
const alone = "there is no other process: the run's steps see to it that a job is executed once";

describeExecutor({
  name: "local",
  pulls: false,
  crash: "SERVER_UNREACHABLE",
  differences: {
    "an aborted attempt that nobody has begun is taken back": here,
    "an answer that is too large is refused": here,
    "an order that is too large is refused": here,
    "an attempt handed in twice is executed once": alone,
    "an attempt that ended is answered from the first": alone,
    "another process joins an attempt under way": alone,
    "attempts go to workers of their region": here,
    "without a worker it waits, and then says so": here,
    "a worker that dies is noticed within 15 seconds": here,
    "a worker that stops gives back what it cannot end": here,
    "attempts under way survive a backend that goes and comes back": here,
    "a backend that stays away is told as such": here,
    "an attempt's time is up": "the mode `local` limits a job's time around it",
  },
  async open() {
    // Lines of the runners' log, which the cases read as events.
    const quiet = vi.spyOn(console, "log").mockImplementation(() => {});
    const catalog = collectRunners(runners);
    const executor = createLocalExecutor((request, limits) =>
      execute(catalog, request, { timeout: 30_000, ...limits }),
    );
    const unused = (): Promise<never> => Promise.reject(new Error(here));
    return {
      executor,
      another: async () => executor,
      serverOf: (region) => ({ id: "local", url: "", region }),
      startWorker: async () => ({
        output: () => "",
        stop: async () => {},
        kill: async () => {},
      }),
      breakBackend: unused,
      restoreBackend: unused,
      close: async () => quiet.mockRestore(),
    };
  },
});
