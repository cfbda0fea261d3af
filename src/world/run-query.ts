import { keys, lastPart, number, place } from "./keys.ts";
import type { Labels } from "./labels.ts";
import { bare } from "./lists.ts";
import type { Records } from "./records.ts";
import type { Range, Store } from "./store.ts";
import type { RunQuery } from "../types/run-query.ts";
import type { EmbeddedWorld, LabelledRun } from "./types.ts";

const MAX_LIMIT = 1000;
/** Places looked at in one turn. */
const SLICE = 5000;
/** Places that one page looks at; where it stops there, its cursor goes on. */
const MAX_PLACES = 100_000;

/** Some of a query's runs, up to where it was looked for them. */
interface Slice {
  runs: LabelledRun[];
  /** The place looked at last; absent when there are no more. */
  at?: string;
}

/**
 * Lists of runs by their labels, workflow and status: runs that are in several lists of the store.
 *
 * A run has the same place in each list it is in. So the smallest list of those asked for is gone through, and the
 * place looked up in the others; a record is read only of a run that is in all of them.
 */
export function createRunQuery(
  store: Store,
  records: Records,
  labels: Labels,
): Pick<EmbeddedWorld, "listRuns"> {
  /** The lists a run must be in, the smallest first. */
  function listsOf(query: RunQuery, after: string | undefined): string[] {
    const { workflowName, status } = query;
    const lists = [...new Set(query.labels)].map(keys.labelList);
    if (lists.length === 0 || workflowName !== undefined || status !== undefined) {
      lists.push(
        keys.runList({
          ...(workflowName !== undefined && { workflowName }),
          ...(status !== undefined && { status }),
        }),
      );
    }
    if (lists.length === 1) return lists;
    const counted = lists.map((list) => ({
      list,
      count: store.count(rangeOf(list, query, after)),
    }));
    return counted.sort((a, b) => a.count - b.count).map(({ list }) => list);
  }

  /** Looks for at most `wanted` runs in one turn of the event loop. */
  function slice(
    query: RunQuery,
    [first, ...others]: readonly string[],
    after: string | undefined,
    wanted: number,
  ): Slice {
    const without = (query.exceptWorkflows ?? []).map((workflowName) =>
      keys.runList({ workflowName }),
    );
    const runs: LabelledRun[] = [];
    let places = 0;
    for (const { key } of store.range(rangeOf(first!, query, after))) {
      const at = key.slice(first!.length);
      const matches =
        others.every((list) => store.has(list + at)) &&
        !without.some((list) => store.has(list + at));
      const run = matches ? records.run(lastPart(at)) : undefined;
      if (run) runs.push({ run: bare(run, "none"), labels: labels.of(run) });
      if (runs.length === wanted || ++places === SLICE) return { runs, at };
    }
    return { runs };
  }

  return {
    async listRuns(query) {
      if (query.labels && query.labels.length > 0) await labels.ready();
      const limit = Math.min(Math.max(1, query.limit), MAX_LIMIT);
      const runs: LabelledRun[] = [];
      let after = startOf(query);
      const lists = listsOf(query, after);
      for (let places = 0; ; places += SLICE) {
        // One more than is wanted tells whether there is another page.
        const found = slice(query, lists, after, limit + 1 - runs.length);
        runs.push(...found.runs);
        after = found.at;
        if (after === undefined || runs.length > limit || places >= MAX_PLACES) break;
        await new Promise(setImmediate);
      }
      const page = runs.slice(0, limit);
      const cursor = runs.length > limit ? placeOf(page.at(-1)!) : after;
      await store.durable();
      return { runs: page, ...(cursor !== undefined && { cursor }) };
    },
  };
}

/** The part of a list that a query asks for. */
function rangeOf(prefix: string, { since }: RunQuery, after: string | undefined): Range {
  return {
    prefix,
    reverse: true,
    ...(after !== undefined && { after: prefix + after }),
    ...(since !== undefined && { upTo: prefix + number(since) }),
  };
}

/** The place before which a query's runs begin. */
function startOf({ until, cursor }: RunQuery): string | undefined {
  const end = until === undefined ? undefined : number(until);
  if (end === undefined || cursor === undefined) return cursor ?? end;
  return cursor < end ? cursor : end;
}

function placeOf({ run }: LabelledRun): string {
  return place(run.createdAt, run.runId);
}
