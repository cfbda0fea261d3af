import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dataRules } from "./data.ts";
import type { DifferenceName } from "./differences.ts";
import { durabilityRules } from "./durability.ts";
import { hookRules } from "./hooks.ts";
import { keyRules } from "./keys.ts";
import { listRules } from "./lists.ts";
import { queueRules } from "./queue.ts";
import { raceRules } from "./races.ts";
import { redeliveryRules } from "./redelivery.ts";
import type { Check, Rule, World } from "./rule.ts";
import { runRules } from "./runs.ts";
import { stepRules } from "./steps.ts";
import { streamRecordRules } from "./stream-records.ts";
import { streamRules } from "./streams.ts";
import { type Opened, openSubject } from "./subject.ts";
import { versionRules } from "./versions.ts";
import { waitRules } from "./waits.ts";

/** A World to test, not yet started, with the means to end it. */
export interface Fixture {
  world: World;
  /** Closes the World and opens one on the same data, not yet started. */
  reopen(): Promise<World>;
  /** Takes the queue's handlers, if messages reach them from outside (over HTTP). */
  mount?(route: "flow" | "step", handler: (request: Request) => Promise<Response>): void;
  close(): Promise<void>;
}

export interface DescribeWorldOptions {
  create(): Promise<Fixture>;
  /** What this World is known to do otherwise; expected as such, and by name. */
  differences?: readonly DifferenceName[];
}

/**
 * All rules but those of a restart. Those that wait long come first, as five run at a time; then
 * those of hooks, for which the local World reads every event there is.
 */
export const concerns: Record<string, Rule[]> = {
  redelivery: redeliveryRules,
  hooks: hookRules,
  races: raceRules,
  "keys and wake-ups": keyRules,
  queue: queueRules,
  runs: runRules,
  steps: stepRules,
  waits: waitRules,
  versions: versionRules,
  data: dataRules,
  streams: streamRules,
  "stream records": streamRecordRules,
  lists: listRules,
};

/** Runs the contract of Worlds against one of them. */
export function describeWorld(name: string, options: DescribeWorldOptions): void {
  const known = options.differences ?? [];
  describe(name, () => {
    let opened: Opened;
    beforeAll(async () => {
      opened = await openSubject(await options.create());
    });
    afterAll(() => opened?.close());
    describe.concurrent("running", () => {
      for (const [concern, rules] of Object.entries(concerns)) {
        describe(concern, () => {
          for (const { title, check, differences } of rules) {
            const { name, expected } = choose(title, check, differences, known);
            test(name, () => expected(opened.subject));
          }
        });
      }
    });
    describe("restarted", () => {
      const chosen = durabilityRules.map(({ title, prepare, differences }) =>
        choose(title, prepare, differences, known),
      );
      const checks = new Map<string, Promise<Check>>();
      beforeAll(async () => {
        for (const { name, expected } of chosen) {
          checks.set(name, expected(opened.subject));
        }
        await Promise.allSettled(checks.values());
        await opened.reopen();
      });
      for (const { name } of chosen) {
        test(name, async () => (await checks.get(name)!)(opened.subject));
      }
    });
    test("every known difference is one of a rule's", () => {
      const rules = [...Object.values(concerns).flat(), ...durabilityRules];
      const named = new Set(rules.flatMap((rule) => Object.keys(rule.differences)));
      expect(known.filter((one) => !named.has(one))).toEqual([]);
    });
  });
}

/** The rule, or what a World is known to do instead. */
function choose<T>(
  title: string,
  rule: T,
  differences: Partial<Record<DifferenceName, T>>,
  known: readonly DifferenceName[],
): { name: string; expected: T } {
  for (const difference of known) {
    const instead = differences[difference];
    if (instead) {
      return { name: `${title} [known difference: ${difference}]`, expected: instead };
    }
  }
  return { name: title, expected: rule };
}
