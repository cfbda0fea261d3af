import { OrchestratorError } from "../core/errors.ts";
import type { QueueWorker, Task, WorkerConfig } from "../types/conductor.ts";

/** What a worker has where nothing is said. */
export const workerDefaults: Required<WorkerConfig> = {
  concurrency: 10,
  pollIntervalMs: 1000,
  flushIntervalMs: 2000,
  fetchBatchSize: 10,
};

const limits: Readonly<Record<keyof WorkerConfig, readonly [min: number, max: number]>> = {
  concurrency: [1, 1000],
  pollIntervalMs: [10, 3_600_000],
  flushIntervalMs: [0, 60_000],
  fetchBatchSize: [1, 1000],
};

/** An error of what a user has written. */
export function invalid(message: string): OrchestratorError {
  return new OrchestratorError("CONFIG_INVALID", message);
}

/** The figures of a worker, with defaults. */
export function workerConfig(
  config: WorkerConfig | undefined,
  where: string,
): Required<WorkerConfig> {
  if (config !== undefined && (typeof config !== "object" || config === null)) {
    throw invalid(`${where} must be an object`);
  }
  for (const key of Object.keys(config ?? {})) {
    if (!(key in limits)) {
      throw invalid(
        `${where}.${key} is not a setting: there are ${Object.keys(limits).join(", ")}`,
      );
    }
  }
  const resolved = { ...workerDefaults };
  for (const [key, [min, max]] of Object.entries(limits) as [
    keyof WorkerConfig,
    [number, number],
  ][]) {
    const value = config?.[key];
    if (value === undefined) continue;
    if (!Number.isInteger(value) || value < min || value > max) {
      throw invalid(
        `${where}.${key} must be a whole number from ${min} to ${max} (got ${String(value)})`,
      );
    }
    resolved[key] = value;
  }
  return resolved;
}

/** The name of a task, a queue or a trigger. */
export function nameOf(value: unknown, what: string): string {
  if (typeof value === "string" && /^[\w.:@-]{1,100}$/.test(value)) return value;
  throw invalid(
    `${what} must be up to 100 letters, digits or any of _ . : @ - (got ${JSON.stringify(value)})`,
  );
}

/** What graphile-worker takes of a queue's name and a task's, with a slash between. */
const IDENTIFIER = 127;

/** The name of a task and its queue's, which are not too long together. */
export function assertIdentifier(queue: string, name: string, what: string): void {
  const length = queue.length + name.length;
  if (length <= IDENTIFIER) return;
  throw invalid(
    `${what} its queue and its name must have up to ${IDENTIFIER} characters together (got ${length})`,
  );
}

/** A whole number that is above zero. */
export function countOf(value: unknown, what: string, max: number): number {
  if (Number.isInteger(value) && (value as number) >= 1 && (value as number) <= max) {
    return value as number;
  }
  throw invalid(`${what} must be a whole number from 1 to ${max} (got ${String(value)})`);
}

/** The tasks of one queue's worker, each once and of that queue. */
export function tasksOf(tasks: unknown, queue: string, where: string): readonly Task<never>[] {
  if (!Array.isArray(tasks) || tasks.length === 0) {
    throw invalid(`${where} must be a list of at least one task, from conductor.createTask()`);
  }
  const names = new Set<string>();
  for (const [index, task] of (tasks as Task<never>[]).entries()) {
    if (typeof task?.handler !== "function") {
      throw invalid(`${where}[${index}] must be a task, from conductor.createTask()`);
    }
    if (task.queue !== queue) {
      throw invalid(
        `${where}[${index}] is the task "${task.name}" of the queue "${task.queue}", not of "${queue}": give it to a worker of its queue, conductor.createWorker({ queue: "${task.queue}", tasks })`,
      );
    }
    if (names.has(task.name)) throw invalid(`${where} has two tasks named "${task.name}"`);
    names.add(task.name);
  }
  return tasks as Task<never>[];
}

/** Workers, one a queue. */
export function workersOf(workers: readonly QueueWorker[]): readonly QueueWorker[] {
  const queues = new Set<string>();
  for (const { queue } of workers) {
    if (queues.has(queue)) throw invalid(`There are two workers of the queue "${queue}"`);
    queues.add(queue);
  }
  return workers;
}
