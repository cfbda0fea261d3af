/** One known difference: what the contract says, and what a World does instead, if it does. */
interface Difference {
  contract: string;
  local?: string;
  /** Ours on Postgres, with the storage of the engine's. */
  postgres?: string;
  /** Ours, embedded. */
  ours?: string;
}

/**
 * Where the Worlds are known to differ from the contract, or from each other where the contract is
 * silent. The suite expects each of them by its name, so that none is passed over and that a change
 * in a World is noticed. `docs/worlds.md` shows this table; a test compares the two.
 */
export const differences = {
  "ends-without-run": {
    contract: "An end of a run that does not exist is refused",
    local: "is appended, and no run comes of it",
  },
  "begins-without-run": {
    contract: "`run_started` without data, a step, a hook or a wait of a missing run is refused",
    local: "is appended",
    postgres: "is appended",
  },
  "started-before-created": {
    contract: "A run that `run_started` creates is created before it is started",
    local: "the log has it the other way round",
  },
  "not-found-plain": {
    contract: "A missing step or event fails with `WorkflowWorldError`",
    local: "with a plain `Error`",
  },
  "event-id-prefix": {
    contract: "Event ids begin with `evnt_`",
    postgres: "with `wevt_`",
  },
  "step-ids-global": {
    contract: "A step's id is unique in its run",
    postgres: "in all runs: the second one conflicts",
  },
  "pending-step-fails-after-end": {
    contract: "A pending step of an ended run cannot fail",
    postgres: "it can",
  },
  "unmade-step-after-end": {
    contract:
      "An ended run's step that was never created expires (ours to say; the engine is silent)",
    local: "is missing, and is delivered again and again",
    postgres: "is missing, and is delivered again and again",
  },
  "hook-conflict-forged": {
    contract: "Only the World makes a `hook_conflict`",
    local: "anybody may append one",
    postgres: "anybody may append one",
  },
  "sort-order-ignored": {
    contract: "`runs.list` and `steps.list` heed `sortOrder`",
    postgres: "always newest first",
  },
  "token-data-always": {
    contract: "`hooks.getByToken` heeds `resolveData`",
    local: "always with metadata",
  },
  "falsy-values-lost": {
    contract: "Plain data come back, `0`, `false` and `''` too",
    postgres: "those three come back as `undefined`",
  },
  "racing-run-starts": {
    contract: "Racing `run_started` append one event",
    local: "several",
  },
  "racing-run-ends": {
    contract: "Of racing ends of a run one wins",
    local: "several are appended, the last decides",
  },
  "racing-creations": {
    contract: "Of racing creations of a step or a wait one wins",
    local: "several are appended",
  },
  "racing-attempts": {
    contract: "Each racing `step_started` is an attempt of its own",
    local: "several count as one",
  },
  "receipts-after-disposal": {
    contract: "No payload is recorded behind its hook's disposal",
    local: "those that race with it are",
  },
  "start-behind-end-hangs": {
    contract: "A reader that starts behind the end of a closed stream ends",
    local: "it waits for ever",
  },
  "done-on-last-page": {
    contract: "Each page of a closed stream's chunks says `done`",
    local: "the last one only",
  },
  "racing-stream-names": {
    contract: "All streams of a run that begin at once are listed",
    local: "some are missing",
  },
  "stream-names-mixed": {
    contract: "Streams `a` and `a-b` are two",
    local: "`a` has the chunks of both",
  },
  "streams-stay-open": {
    contract: "A run's end ends its streams (ours to say; the engine is silent)",
    local: "they stay open, readers wait for ever",
  },
  "broken-delivery-lost": {
    contract: "A delivery that breaks off is made again",
    local: "its message is lost",
  },
  "delay-ignored": {
    contract: "`delaySeconds` delays a message",
    local: "it is delivered at once",
  },
  "keys-global": {
    contract: "One idempotency key in two runs is two, as a step's id is its run's own",
    local: "the second run's message is dropped",
  },
  "wake-ups-overlap": {
    contract: "Replays of a run follow one another (ours to say; the engine is silent)",
    local: "all run at once",
  },
  "attempts-spared": {
    contract: "Each `step_started` counts an attempt, after a restart too",
    ours: "the first one after a restart does not, if the step was running: a crash uses up no attempt",
  },
  "queue-in-memory": {
    contract: "A queued message outlives a restart",
    local: "it is lost",
  },
} as const satisfies Record<string, Difference>;

export type DifferenceName = keyof typeof differences;

/** The names of what one World is known to do otherwise. */
export function differencesOf(world: "local" | "postgres" | "ours"): DifferenceName[] {
  const table: Record<DifferenceName, Difference> = differences;
  return (Object.keys(table) as DifferenceName[]).filter((name) => table[name][world]);
}

/** The table as `docs/worlds.md` shows it, its head first. */
export function differenceRows(): string[][] {
  const table: Record<string, Difference> = differences;
  const rows = Object.entries(table).map(([name, { contract, local, postgres, ours }]) => [
    `\`${name}\``,
    contract,
    local ?? "",
    postgres ?? "",
    ours ?? "",
  ]);
  return [["Name", "Behaviour", "Local", "Ours on Postgres", "Ours, embedded"], ...rows];
}
