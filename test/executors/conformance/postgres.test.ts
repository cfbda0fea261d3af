import { describe } from "vitest";
import { queueOf } from "../../../src/core/pull.ts";
import { createPostgresExecutor } from "../../../src/executors/postgres.ts";
import type { Executor } from "../../../src/types/executor.ts";
import { startEmptyPostgres } from "../../_support/postgres.ts";
import { bundleProgram, removeProgram, startProgram } from "./programs.ts";
import { describeExecutor } from "./suite.ts";

describe("on a real Postgres", () => {
  describeExecutor({
    name: "postgres",
    pulls: true,
    crash: "WORKER_LOST",
    differences: {},
    async open() {
      const postgres = await startEmptyPostgres();
      const program = await bundleProgram("worker-program");
      const opened: Executor[] = [];
      const openOne = async (patience?: number): Promise<Executor> => {
        const executor = await createPostgresExecutor({
          url: postgres.url,
          ...(patience !== undefined && { patience }),
        });
        await executor.start!();
        opened.push(executor);
        return executor;
      };
      const executor = await openOne();
      let restore = (): void => undefined;
      let restored = Promise.resolve();
      return {
        executor,
        another: () => openOne(1500),
        serverOf: (region) => queueOf(executor, region),
        startWorker: (region) =>
          startProgram(
            program,
            { postgres: postgres.url, region, concurrency: 20, stopTimeout: 200 },
            /"message":"pulling"/,
          ),
        breakBackend: () =>
          new Promise((broken) => {
            restored = postgres.restart(() => {
              broken();
              return new Promise((resolve) => (restore = resolve));
            });
          }),
        restoreBackend: async () => {
          restore();
          await restored;
        },
        async close() {
          await Promise.all(opened.map((one) => one.close!()));
          await postgres.stop();
          await removeProgram(program);
        },
      };
    },
  });
});
