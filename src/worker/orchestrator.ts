import { randomUUID } from "node:crypto";
import { begin, drain, ended, failed, type Lifecycle, started } from "../core/lifecycle.ts";
import type {
  Orchestrator as OrchestratorInstance,
  OrchestratorInfo,
  OrchestratorCreateOptions,
  QueueWorker,
} from "../types/conductor.ts";
import { invalid, tasksOf, workerConfig, workersOf } from "./checks.ts";
import { partsOf } from "./conductor.ts";
import { onEndSignals } from "./end-signals.ts";
import { DEFAULT_QUEUE } from "./tasks.ts";
import { startWork, type Work } from "./work.ts";

export type Orchestrator = OrchestratorInstance;

function create(options: OrchestratorCreateOptions): Orchestrator {
  const parts = partsOf(options?.conductor);
  const workers = workersOf(allWorkers(options));
  const id = randomUUID();
  let life: Lifecycle<Work> = { state: "created" };
  let stopping: Promise<void> | undefined;
  let starting: Promise<void> | undefined;
  let resolveStopped = (): void => undefined;
  const stopped = new Promise<void>((resolve) => (resolveStopped = resolve));
  let forget = (): void => undefined;

  const takeDown = async (): Promise<void> => {
    // What is starting must be there before it can be let go of.
    await starting?.catch(() => undefined);
    try {
      if (life.state === "draining") await life.live?.stop();
    } finally {
      forget();
      life = ended();
      resolveStopped();
    }
  };
  const stop = (): Promise<void> => {
    life = drain(life);
    stopping ??= takeDown();
    return stopping;
  };
  const startWith = async (clock: boolean): Promise<void> => {
    life = begin(life);
    forget = onEndSignals(() => void stop().catch(() => undefined));
    try {
      const live = await startWork({ id, workers, parts, clock });
      life = started(life, live);
    } catch (error) {
      life = failed(life);
      forget();
      throw error;
    }
  };
  const start = (clock: boolean): Promise<void> => {
    const begun = startWith(clock);
    // A second start fails by itself, and is not what a stop waits for.
    if (life.state === "starting") starting ??= begun;
    void begun.catch(() => starting === begun && (starting = undefined));
    return begun;
  };
  const info: OrchestratorInfo = {
    id,
    get isRunning() {
      return life.state === "running";
    },
    get isShuttingDown() {
      return life.state === "draining";
    },
    get isStopped() {
      return life.state === "stopped";
    },
    workers: workers.map(({ queue, tasks, config }) => ({
      queue,
      tasks: tasks.map(({ name }) => name),
      config,
    })),
  };
  return {
    start: () => start(true),
    stop,
    async drain() {
      await start(false);
      try {
        if (life.state === "running") await Promise.race([life.live.idle(), stopped]);
      } finally {
        await stop();
      }
    },
    stopped,
    info,
  };
}

function allWorkers(options: OrchestratorCreateOptions): readonly QueueWorker[] {
  const { tasks, workers = [], defaultWorker } = options;
  const config = workerConfig(defaultWorker, "defaultWorker");
  if (!Array.isArray(workers)) throw invalid("Orchestrator.create: workers must be a list");
  for (const [index, worker] of (workers as QueueWorker[]).entries()) {
    if (typeof worker?.queue === "string" && Array.isArray(worker.tasks)) continue;
    throw invalid(
      `Orchestrator.create: workers[${index}] must be a worker, from conductor.createWorker()`,
    );
  }
  if (tasks === undefined && workers.length === 0) {
    throw invalid("Orchestrator.create needs tasks, workers or both");
  }
  const own =
    tasks === undefined
      ? []
      : [
          {
            queue: DEFAULT_QUEUE,
            tasks: tasksOf(tasks, DEFAULT_QUEUE, "Orchestrator.create: tasks"),
            config,
          },
        ];
  return [...own, ...workers];
}

/** The workers of a process, from start to stop. */
export const Orchestrator: {
  /** @throws OrchestratorError `CONFIG_INVALID` */
  create: (options: OrchestratorCreateOptions) => Orchestrator;
} = { create };
