import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { durabilityRules } from "./durability.ts";
import { breakages } from "./breakages.ts";
import type { Subject } from "./rule.ts";
import { type Opened, openSubject } from "./subject.ts";
import { concerns } from "./suite.ts";
import { createLocal } from "./worlds.ts";

/**
 * The suite can fail: each of these breaks a working World in one way, and the rule that forbids it
 * must notice. The same rule passes on the World as it is, or the proof would prove nothing.
 */
describe.concurrent("a broken World is noticed", () => {
  let opened: Opened;
  beforeAll(async () => {
    opened = await openSubject(await createLocal());
  });
  afterAll(() => opened.close());
  const rules = Object.values(concerns).flat();
  for (const { title, breakage, breaks } of breakages) {
    test(`${breakage}: ${title}`, async () => {
      const rule = rules.find((one) => one.title === title);
      expect(rule, "there is no such rule").toBeDefined();
      const { subject } = opened;
      await rule!.check(subject);
      const broken: Subject = {
        world: breaks(subject.world),
        flow: subject.flow,
        handle: subject.handle,
        sever: subject.sever,
      };
      await expect(rule!.check(broken)).rejects.toThrow();
    });
  }

  test("data that a restart loses", async () => {
    const one = durabilityRules.find((rule) => rule.title.startsWith("runs, steps, hooks"))!;
    const check = await one.prepare(opened.subject);
    const empty = await openSubject(await createLocal());
    await expect(check(empty.subject)).rejects.toThrow();
    await empty.close();
    await check(opened.subject);
  });
});
