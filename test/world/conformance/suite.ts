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
import type { Rule, World } from "./rule.ts";
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
  /** Closes the World and opens one on the same data; without it, restarts are not tested. */
  reopen?(): Promise<World>;
  /** Takes the queue's handlers, if messages reach them from outside (over HTTP). */
  mount?(route: "flow" | "step", handler: (request: Request) => Promise<Response>): void;
  close(): Promise<void>;
}

export interface DescribeWorldOptions {
  create(): Promise<Fixture>;
  /** What this World is known to do otherwise; expected as such, and by name. */
  differences?: readonly DifferenceName[];
}

/** All of a World's rules but those that restart it; the slow ones first, as they overlap. */
export const concerns: Record<string, Rule[]> = {
  redelivery: redeliveryRules,
  "keys and wake-ups": keyRules,
  queue: queueRules,
  runs: runRules,
  steps: stepRules,
  hooks: hookRules,
  waits: waitRules,
  versions: versionRules,
  races: raceRules,
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
    const check = (rule: Rule): [string, () => Promise<void>] => {
      const difference = known.find((one) => rule.differences[one]);
      return difference
        ? [
            `${rule.title} [known difference: ${difference}]`,
            () => rule.differences[difference]!(opened.subject),
          ]
        : [rule.title, () => rule.check(opened.subject)];
    };
    describe.concurrent("running", () => {
      for (const [concern, rules] of Object.entries(concerns)) {
        describe(concern, () => {
          for (const rule of rules) {
            test(...check(rule));
          }
        });
      }
    });
    describe("restarted", () => {
      for (const rule of durabilityRules) {
        test(...check(rule));
      }
    });
    test("every known difference is one of a rule's", () => {
      const rules = [...Object.values(concerns).flat(), ...durabilityRules];
      const named = new Set(rules.flatMap((rule) => Object.keys(rule.differences)));
      expect(known.filter((one) => !named.has(one))).toEqual([]);
    });
  });
}
