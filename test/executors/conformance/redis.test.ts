import { queueOf } from "../../../src/core/pull.ts";
import { createRedisExecutor } from "../../../src/executors/redis.ts";
import type { Executor } from "../../../src/types/executor.ts";
import { hasRedis, startRedis } from "../../_support/redis.ts";
import { describe } from "vitest";
import { bundleProgram, removeProgram, startProgram } from "./programs.ts";
import { describeExecutor } from "./suite.ts";

describe.skipIf(!hasRedis)("on a real Redis", () => {
  describeExecutor({
    name: "redis",
    pulls: true,
    crash: "WORKER_LOST",
    differences: {},
    async open() {
      const redis = await startRedis({ persistent: true });
      const program = await bundleProgram("worker-program");
      const opened: Executor[] = [];
      const openOne = async (patience?: number): Promise<Executor> => {
        const executor = await createRedisExecutor({
          url: redis.url,
          ...(patience !== undefined && { patience }),
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
        startWorker: (region) =>
          startProgram(
            program,
            { redis: redis.url, region, concurrency: 20, stopTimeout: 200 },
            /"message":"pulling"/,
          ),
        breakBackend: redis.kill,
        restoreBackend: redis.restart,
        async close() {
          await Promise.all(opened.map((one) => one.close!()));
          await redis.kill();
          await removeProgram(program);
        },
      };
    },
  });
});
