/** Jobs that one durable step executes. */
export interface Shard<Job> {
  jobs: Job[];
  /** Jobs in flight at once; unlimited when absent. */
  window?: number;
}

/** Jobs for which one step is enough. */
const JOBS_PER_SHARD = 50;

/** Steps of one fan-out at most: the engine's cost of a replay grows with the square of the parallel steps. */
const MAX_SHARDS = 32;

/**
 * Splits jobs into as few shards as serve, in order. The windows of all shards add up to the
 * concurrency, so that it holds wherever they execute.
 *
 * @param concurrency jobs in flight at once, at least 1; unlimited when absent
 */
export function splitIntoShards<Job>(jobs: readonly Job[], concurrency?: number): Shard<Job>[] {
  const count = Math.min(
    Math.ceil(jobs.length / JOBS_PER_SHARD),
    MAX_SHARDS,
    concurrency ?? Infinity,
  );
  return Array.from({ length: count }, (_, index) => {
    const start = Math.floor((jobs.length * index) / count);
    const end = Math.floor((jobs.length * (index + 1)) / count);
    const shard: Shard<Job> = { jobs: jobs.slice(start, end) };
    if (concurrency !== undefined) {
      shard.window = Math.floor(concurrency / count) + (index < concurrency % count ? 1 : 0);
    }
    return shard;
  });
}
