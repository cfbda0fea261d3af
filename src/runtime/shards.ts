import { onAbort } from "../core/abort.ts";
import { longestTimer } from "../core/sleep.ts";
import { parseJob } from "../core/job.ts";
import { countEnds, failedEnd, type JobEnd, outcomeOf } from "../core/job-ends.ts";
import { isHandedBack } from "../core/handed-back.ts";
import { entryOf } from "../core/runner-events.ts";
import { createSlots, type Slot, type Slots } from "../core/slots.ts";
import type { ExecuteContext } from "../core/dispatch.ts";
import type { JobEntry } from "../types/journal.ts";
import type { JobResult, PlannedJob, RunMode, RunnerJob } from "../types/run.ts";
import type { ShardJob, ShardReply, ShardRequest } from "../types/shard.ts";
import type { Durations } from "./durations.ts";
import type { InFlight, JobInFlight } from "./in-flight.ts";
import { type JournalView, viewJournal } from "./journal-view.ts";
import type { Journals } from "./journal.ts";

/** Gets a job executed, with as many attempts as it takes. */
export type JobRunner = (job: RunnerJob, context: ExecuteContext) => Promise<JobResult>;

/** What shards are executed with. */
export interface ShardsOptions {
  journals: Journals;
  runners: Record<RunMode, JobRunner>;
  durations: Durations;
  inFlight: InFlight;
  /** What a run was started with. */
  input: (runId: string) => Promise<{ jobs: readonly PlannedJob[] }>;
  /**
   * Whether all shards of a run are executed in this process: each then has the places of all, also of those
   * that ended before a restart. Else every shard brings its own.
   */
  alone?: boolean;
  /** Calls back once when the run has ended without waiting for its shards, until the returned function is called. */
  onRunEnd: (runId: string, callback: () => void) => () => void;
  /** Told how a job has ended, whoever executed it. */
  onJobEnd?: (runId: string, job: RunnerJob, end: JobEnd) => void;
  /** Epoch milliseconds. */
  now?: () => number;
}

/** Executes shards. */
export interface Shards {
  /**
   * Executes those jobs of a shard that its run's journal does not have the end of, and journals each as it ends.
   * Rejects only when the journal cannot be written, so that the engine tries again.
   */
  execute(runId: string, request: ShardRequest): Promise<ShardReply>;
}

/** What the shards of one fan-out share in this process. */
interface Group {
  slots: Slots;
  shards: number;
  /** Aborts what is in flight. */
  abort: AbortController;
  journal: JournalView;
  release: () => void;
}

/** A shard under way. */
interface Shard {
  runId: string;
  request: ShardRequest;
  group: Group;
  /** Why the journal could not be written. */
  failure?: { reason: unknown };
}

/** Executes shards in this process; those of one fan-out share one window. */
export function createShards(options: ShardsOptions): Shards {
  const { journals, runners, durations, inFlight, alone = false, now = Date.now } = options;
  const groups = new Map<string, Group>();
  /** Shards under way, by the first of their jobs. */
  const running = new Map<string, Promise<ShardReply>>();

  /** The group of a shard, with its places added; those of a shard that has ended stay for the others. */
  function join(runId: string, request: ShardRequest): Group {
    const key = `${runId}/${request.group}`;
    let group = groups.get(key);
    if (!group) {
      groups.set(key, (group = createGroup(runId, key, request.deadline)));
      if (alone) group.slots.widen(request.concurrency ?? Infinity);
    }
    group.shards++;
    if (!alone) group.slots.widen(request.window ?? Infinity);
    return group;
  }

  function createGroup(runId: string, key: string, deadline: number | undefined): Group {
    const abort = new AbortController();
    const journal = viewJournal(journals, runId);
    const off = options.onRunEnd(runId, () => abort.abort(cancelled));
    const left = deadline === undefined ? undefined : deadline - now();
    const expire = (): void => abort.abort(timedOut);
    const timer = left === undefined || left <= 0 ? undefined : startTimer(left, expire);
    if (left !== undefined && left <= 0) expire();
    let offOver = (): void => undefined;
    function release(): void {
      groups.delete(key);
      journal.close();
      off();
      offOver();
      timer?.stop();
    }
    // Shards of jobs that were handed back never end, and let go of nothing themselves.
    offOver = onAbort(inFlight.over, release);
    return { slots: createSlots(), shards: 0, abort, journal, release };
  }

  async function execute(runId: string, request: ShardRequest): Promise<ShardReply> {
    // A queue may deliver a step that is under way once more: its jobs must not be sent twice for that.
    const { jobs, group } = request;
    const key = `${runId}/${group}/${Array.isArray(jobs) ? jobs[0]?.id : jobs.from}`;
    const reply = running.get(key) ?? executeShard(runId, request);
    running.set(key, reply);
    try {
      return await reply;
    } finally {
      if (running.get(key) === reply) running.delete(key);
    }
  }

  async function executeShard(runId: string, request: ShardRequest): Promise<ShardReply> {
    const group = join(runId, request);
    const shard: Shard = { runId, request, group };
    try {
      const known = await group.journal.ends();
      const jobs = await jobsOf(shard);
      const own = await allSettled(
        jobs.map((job) => known.get(job.id) ?? executeInTurn(shard, job)),
      );
      // Another process may have had the shard too: what the journal took first is a job's end.
      const stored = await group.journal.ends();
      const ends = own.map((end) => stored.get(end.jobId) ?? end);
      return {
        counts: countEnds(ends),
        ...(request.collect && { outcomes: ends.map(outcomeOf) }),
      };
    } catch (error) {
      // Tried again, it brings its places once more.
      if (!alone && request.window !== undefined) group.slots.widen(-request.window);
      throw error;
    } finally {
      if (--group.shards === 0) group.release();
    }
  }

  async function jobsOf({ runId, request: { jobs } }: Shard): Promise<readonly ShardJob[]> {
    if (Array.isArray(jobs)) return jobs;
    return (await options.input(runId)).jobs.slice(jobs.from, jobs.to);
  }

  /** Executes a job when it has a place, which it keeps until its end is stored. */
  function executeInTurn(shard: Shard, job: ShardJob): Promise<JobEnd> {
    const { runId, request, group } = shard;
    const execute = async (slot: Slot, place: JobInFlight): Promise<JobEnd> => {
      // What the journal cannot take would be executed again anyway.
      if (shard.failure) throw shard.failure.reason;
      const end = await executeJob(runId, request, group, job, slot, place);
      options.onJobEnd?.(request.runId ?? runId, job, end);
      try {
        await group.journal.end(end);
      } catch (reason) {
        shard.failure = { reason };
        throw reason;
      }
      return end;
    };
    return group.slots.run(durations.expected(job), (slot) =>
      inFlight.run(group.abort.signal, (place) => execute(slot, place)),
    );
  }

  async function executeJob(
    runId: string,
    request: ShardRequest,
    { abort, journal }: Group,
    job: ShardJob,
    slot: Slot,
    place: JobInFlight,
  ): Promise<JobEnd> {
    const startedAt = now();
    const note = (entry: JobEntry): void => journal.note(entry);
    try {
      abort.signal.throwIfAborted();
      note({ type: "job.started", jobId: job.id, at: startedAt });
      const result = await runners[request.mode](parseJob(job), {
        runId: request.runId ?? runId,
        jobId: job.id,
        signal: place.signal,
        aside: async (wait) => {
          const answer = await place.aside(() => slot.aside(wait));
          note({ type: "job.started", jobId: job.id, at: now() });
          return answer;
        },
        queued: (wait) => place.aside(wait),
        onWait: (reason) => note({ type: "job.waiting", jobId: job.id, at: now(), reason }),
        onEvent(event) {
          // A run that has ended takes no more, and one that timed out is about to.
          if (!abort.signal.aborted) journal.event(entryOf(event, job.id, now()));
        },
      });
      // The run's record says that the job was cut off, and so must its end, however late the answer came.
      if (abort.signal.reason === cancelled) abort.signal.throwIfAborted();
      durations.record(job, result.results);
      return {
        type: "job.completed",
        jobId: job.id,
        at: now(),
        durationMs: now() - startedAt,
        result,
      };
    } catch (error) {
      if (isHandedBack(place.signal)) throw error;
      const end = failedEnd(job.id, error, now(), now() - startedAt);
      if (!abort.signal.aborted) return end;
      const { reason } = abort.signal as { reason: typeof cancelled | typeof timedOut };
      return { ...end, ...reason };
    }
  }

  return { execute };
}

/** What all come to; rejects when one does, but not before all have settled. */
async function allSettled<T>(promises: readonly (Promise<T> | T)[]): Promise<T[]> {
  await Promise.allSettled(promises);
  return Promise.all(promises);
}

/** How a job ends that was cut off. */
const cancelled = { type: "job.cancelled", error: "The run was cancelled" } as const;
const timedOut = { type: "job.timed_out", error: "The run's timeout passed" } as const;

/** Calls back after a time of any length, unless it is stopped. */
function startTimer(ms: number, callback: () => void): { stop: () => void } {
  let timer: ReturnType<typeof setTimeout>;
  const wait = (left: number): void => {
    timer = setTimeout(
      () => (left > longestTimer ? wait(left - longestTimer) : callback()),
      Math.min(Math.max(0, left), longestTimer),
    );
  };
  wait(ms);
  return { stop: () => clearTimeout(timer) };
}
