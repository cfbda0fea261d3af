import { Conductor } from "../../../src/worker/conductor.ts";
import { createRunnerWorker } from "../../../src/worker/runner-worker.ts";
import * as runners from "./runners.ts";

// A worker process: its options are the one argument, and may name a Postgres.
const { postgres, ...options } = JSON.parse(process.argv[2]!) as Record<string, unknown>;
const worker = createRunnerWorker({
  ...options,
  ...(typeof postgres === "string" && {
    conductor: Conductor.create({ connectionString: postgres }),
  }),
  runners,
});
await worker.start();
await worker.stopped;
