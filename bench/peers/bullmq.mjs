import { execFileSync } from "node:child_process";
import { installPackages } from "../packages.mjs";
import { folder, freePort, start, startHost } from "../scratch.mjs";

/** Jobs that a worker takes at once; BullMQ's default is 1, which nobody with I/O to do keeps. */
const CONCURRENCY = 100;

let installed;

/** BullMQ has no steps within a job: each is a job of its own, and the run is a flow of them. */
export const bullmq = {
  title: "BullMQ",
  async prepare() {
    const redis = redisVersion();
    installed = await installPackages("bullmq", ["bullmq@^6", "ioredis@^6"]);
    return {
      about: () =>
        `Redis at its defaults (snapshots, no append-only file: the last seconds may be lost); a flow of jobs added with \`FlowProducer\` and awaited with \`waitUntilFinished\`, ${CONCURRENCY} jobs at once a worker`,
      versions: { ...installed.versions, "redis-server": redis },
    };
  },
  async open() {
    const dir = await folder("redis");
    const port = await freePort();
    await start("redis-server", ["--port", String(port), "--bind", "127.0.0.1"], {
      cwd: dir,
      ready: /Ready to accept connections/,
      endWith: "SIGKILL",
    });
    await startHost(import.meta.url, {
      packages: installed.dir,
      env: { BENCH_REDIS_PORT: String(port) },
      endWith: "SIGKILL",
    });
    const { FlowProducer, QueueEvents } = await installed.load("bullmq");
    const connection = connectionTo(port);
    const [producer, events] = [
      new FlowProducer({ connection }),
      new QueueEvents("runs", { connection }),
    ];
    // One listener for each run that is awaited.
    events.setMaxListeners(0);
    producer.setMaxListeners(0);
    await Promise.all([producer.waitUntilReady(), events.waitUntilReady()]);
    return {
      async run(name) {
        const { job } = await producer.add(flows[name]);
        return job.waitUntilFinished(events);
      },
      close: () => Promise.all([producer.close(), events.close()]),
    };
  },
};

/** The last step is the parent, which waits for the steps before it and reads their results. */
const flows = {
  two: {
    name: "second",
    queueName: "runs",
    data: { n: 2 },
    children: [{ name: "first", queueName: "steps", data: { n: 1 } }],
  },
  fan: {
    name: "sum",
    queueName: "runs",
    data: { n: 0 },
    children: Array.from({ length: 100 }, (_, n) => ({
      name: "step",
      queueName: "steps",
      data: { n },
    })),
  },
};

const connectionTo = (port) => ({ host: "127.0.0.1", port, maxRetriesPerRequest: null });

function redisVersion() {
  try {
    return execFileSync("redis-server", ["--version"], { encoding: "utf8" }).match(/v=(\S+)/)[1];
  } catch {
    throw new Error("no redis-server on PATH");
  }
}

/** The workers, in a process of their own. */
export async function host(load) {
  const { Worker } = await load("bullmq");
  const port = Number(process.env.BENCH_REDIS_PORT);
  const options = { connection: connectionTo(port), concurrency: CONCURRENCY };
  const workers = [
    new Worker("steps", async (job) => job.data.n, options),
    new Worker(
      "runs",
      async (job) => {
        const before = Object.values(await job.getChildrenValues());
        return before.reduce((sum, n) => sum + n, job.data.n);
      },
      options,
    ),
  ];
  await Promise.all(workers.map((worker) => worker.waitUntilReady()));
  console.log(`Listening on redis://127.0.0.1:${port}`);
}
