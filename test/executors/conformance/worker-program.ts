import { createRunnerWorker } from "../../../src/worker/runner-worker.ts";
import * as runners from "./runners.ts";

// A worker process: its options are the one argument.
const worker = createRunnerWorker({ ...JSON.parse(process.argv[2]!), runners });
await worker.start();
await worker.stopped;
