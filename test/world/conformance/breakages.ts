import type { World } from "./rule.ts";
import { runData } from "./support.ts";

/** A way to break a World, and the rule that must notice. */
interface Breakage {
  breakage: string;
  title: string;
  breaks(world: World): World;
}

// The engine overloads its methods by their arguments; a wrapper only passes them on.
type Method = (...args: any[]) => Promise<any>;
type Wrapper = (method: Method, ...args: any[]) => Promise<any>;

export const breakages: Breakage[] = [
  {
    breakage: "a run is created twice",
    title: "run_created under an own id keeps it, and conflicts the second time",
    breaks: creating(async (create, ...args) => forgiving(create, args)),
  },
  {
    breakage: "a second run_started is refused",
    title: "run_started a second time changes nothing and returns the run",
    breaks: creating(async (create, runId, event, params) => {
      const result = await create(runId, event, params);
      if (event.eventType === "run_started" && !result.event) {
        throw new Error("started already");
      }
      return result;
    }),
  },
  {
    breakage: "ended runs go on",
    title: "an ended run stays as it is",
    breaks: creating(async (create, ...args) => forgiving(create, args)),
  },
  {
    breakage: "a run that runs out is reported as a conflict",
    title: "an ended run stays as it is",
    breaks: creating(async (create, ...args) =>
      create(...args).catch((error: Error) => {
        throw Object.assign(error, { name: "EntityConflictError" });
      }),
    ),
  },
  {
    breakage: "a run's data stay on run_started",
    title: "run_started with data leaves an existing run's own alone",
    breaks: creating(async (create, runId, event, params) => {
      const result = await create(runId, event, params);
      return event.eventType === "run_started"
        ? { ...result, event: { ...result.event, eventData: runData() } }
        : result;
    }),
  },
  {
    breakage: "attempts are not counted",
    title: "step_started runs the step and counts the attempt",
    breaks: creating(async (create, ...args) => {
      const result = await create(...args);
      return result.step ? { ...result, step: { ...result.step, attempt: 1 } } : result;
    }),
  },
  {
    breakage: "a retry's time is forgotten",
    title: "a step that waits for its retry starts too early before it",
    breaks: creating(async (create, runId, event, params) => {
      const { retryAfter: _forgotten, ...eventData } = event.eventData ?? {};
      return create(runId, { ...event, eventData }, params);
    }),
  },
  {
    breakage: "a token has two owners",
    title: "a token in use becomes a hook_conflict that names its owner",
    breaks: creating(async (create, runId, event, params) =>
      event.eventType === "hook_created"
        ? create(
            runId,
            { ...event, eventData: { ...event.eventData, token: event.correlationId } },
            params,
          )
        : create(runId, event, params),
    ),
  },
  {
    breakage: "a conflict does not name the owner",
    title: "a token in use becomes a hook_conflict that names its owner",
    breaks: creating(async (create, ...args) => {
      const result = await create(...args);
      delete result.event?.eventData?.conflictingRunId;
      return result;
    }),
  },
  {
    breakage: "tokens outlive their run",
    title: "the end of a run disposes of its hooks and frees their tokens",
    breaks: (world) => ({
      ...world,
      hooks: { ...world.hooks, getByToken: async () => ({ hookId: "still there" }) as never },
    }),
  },
  {
    breakage: "a wait completes twice",
    title: "a wait is created once and completed once",
    breaks: creating(async (create, ...args) => forgiving(create, args)),
  },
  {
    breakage: "a page repeats its first event",
    title: "events come oldest first, newest first on demand, page by page",
    breaks: listing("events", (page) => ({ ...page, data: [page.data[0], ...page.data] })),
  },
  {
    breakage: "every third page loses its last event",
    title: "a reader of pages misses and repeats nothing while others append",
    breaks: (world) => {
      let pages = 0;
      return listing("events", (page) => {
        pages += page.data.length > 0 ? 1 : 0;
        return pages % 3 === 0 ? { ...page, data: page.data.slice(0, -1) } : page;
      })(world);
    },
  },
  {
    breakage: "the last page's cursor is withheld",
    title: "the last page's cursor goes on with what is appended later",
    breaks: listing("events", (page) => (page.hasMore ? page : { ...page, cursor: null })),
  },
  {
    breakage: "a filter is ignored",
    title: "runs come newest first, filtered by name and by status",
    breaks: (world) => ({
      ...world,
      runs: {
        ...world.runs,
        list: ((params: object) => world.runs.list({ ...params, status: undefined })) as never,
      },
    }),
  },
  {
    breakage: "data are sent though not wanted",
    title: "without data, events keep their names and lack their payloads",
    breaks: (world) => ({
      ...world,
      events: {
        ...world.events,
        list: (params) => world.events.list({ ...params, resolveData: "all" }),
      },
    }),
  },
  {
    breakage: "reads share one object",
    title: "what was stored is a copy: neither side can change it",
    breaks: (world) => {
      const cache = new Map<string, unknown>();
      const get = async (id: string) => {
        cache.set(id, cache.get(id) ?? (await world.runs.get(id)));
        return cache.get(id);
      };
      return { ...world, runs: { ...world.runs, get: get as never } };
    },
  },
  {
    breakage: "a reader gets its first chunk twice",
    title: "a reader resumes at any index, also counted from the end",
    breaks: (world) => ({
      ...world,
      readFromStream: (name, start) => world.readFromStream(name, start && start - 1),
    }),
  },
  {
    breakage: "a stream is closed only once it is read",
    title: "a stream's info is its last index and whether it is closed",
    breaks: (world) => ({ ...world, closeStream: async () => undefined }),
  },
  {
    breakage: "chunks are written in reverse",
    title: "several chunks are written at once, in order",
    breaks: (world) => ({
      ...world,
      writeToStreamMulti: (name, runId, chunks) =>
        world.writeToStreamMulti!(name, runId, [...chunks].reverse()),
    }),
  },
  {
    breakage: "a message is delivered twice",
    title: "a message is delivered once, with what was queued",
    breaks: queueing(async (queue, ...args) => {
      await queue(...args);
      return queue(...args);
    }),
  },
  {
    breakage: "idempotency keys are ignored",
    title: "a key's second message is dropped while the first is handled",
    breaks: queueing(async (queue, name, message) => queue(name, message)),
  },
  {
    breakage: "one message in ten is lost",
    title: "many messages are all delivered, whatever the order",
    breaks: (world) => {
      let sent = 0;
      return queueing(async (queue, ...args) => {
        sent += 1;
        return sent % 10 === 0 ? { messageId: null } : queue(...args);
      })(world);
    },
  },
  {
    breakage: "racing creations all win",
    title: "racing creations of one run: one wins",
    breaks: creating(async (create, ...args) => forgiving(create, args)),
  },
  {
    breakage: "an unknown version is accepted",
    title: "a run of a version newer than the World's is not supported",
    breaks: creating(async (create, runId, event, params) =>
      create(runId, { ...event, specVersion: Math.min(event.specVersion, 3) }, params),
    ),
  },
];

/** A World whose `events.create` is another. */
function creating(wrapper: Wrapper): (world: World) => World {
  return (world) => ({
    ...world,
    events: {
      ...world.events,
      create: ((...args: unknown[]) =>
        wrapper(world.events.create as Method, ...args)) as World["events"]["create"],
    },
  });
}

function queueing(wrapper: Wrapper): (world: World) => World {
  return (world) => ({
    ...world,
    queue: (...args) => wrapper(world.queue as Method, ...args),
  });
}

interface AnyPage {
  data: unknown[];
  cursor: string | null;
  hasMore: boolean;
}

function listing(
  records: "events" | "runs",
  change: (page: AnyPage) => AnyPage,
): (world: World) => World {
  return (world) => ({
    ...world,
    [records]: {
      ...world[records],
      list: async (params: never) => change(await world[records].list(params)),
    },
  });
}

/** Calls, and takes a refusal for an answer: what it would have changed is made up. */
async function forgiving(create: Method, args: unknown[]): Promise<unknown> {
  const [runId] = args as [string];
  return create(...args).catch(() => ({ run: { runId, workflowName: "made up" } }));
}
