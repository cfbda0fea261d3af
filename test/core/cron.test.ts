import { expect, test } from "vitest";
import { parseCron } from "../../src/core/cron.ts";

const due = (cron: string, time: string): boolean => parseCron(cron)(new Date(time));

test.each([
  ["* * * * *", "2026-11-25T22:13:59Z"],
  ["13 22 25 11 3", "2026-11-25T22:13:00Z"],
  ["*/5 * * * *", "2026-11-25T22:15:00Z"],
  ["3/5 * * * *", "2026-11-25T22:08:00Z"],
  ["10-20/5 * * * *", "2026-11-25T22:15:00Z"],
  ["1,13 * * * *", "2026-11-25T22:13:00Z"],
  ["0 0 * NOV wed", "2026-11-25T00:00:00Z"],
  ["0 0 * * 7", "2026-11-29T00:00:00Z"],
  ["0 0 * * fri-7", "2026-11-29T00:00:00Z"],
  // Either of the two days is enough.
  ["0 0 1 * wed", "2026-11-25T00:00:00Z"],
  ["0 0 25 * mon", "2026-11-25T00:00:00Z"],
])("%s is due at %s", (cron, time) => expect(due(cron, time)).toBe(true));

test.each([
  ["*/5 * * * *", "2026-11-25T22:13:00Z"],
  ["10-20/5 * * * *", "2026-11-25T22:25:00Z"],
  ["0 0 * nov mon", "2026-11-25T00:00:00Z"],
  ["0 0 1 * mon", "2026-11-25T00:00:00Z"],
  // With a day that is any, the other one counts alone.
  ["0 0 */2 * tue", "2026-11-25T00:00:00Z"],
  ["13 21 * * *", "2026-11-25T22:13:00Z"],
])("%s is not due at %s", (cron, time) => expect(due(cron, time)).toBe(false));

test.each([
  ["* * * *", 'must have five fields, such as "*/5 * * * *" (got "* * * *")'],
  ["0 * * * * *", "must have five fields"],
  ["60 * * * *", 'has a minute that is not from 0 to 59 (got "60")'],
  ["* 24 * * *", "has a hour that is not from 0 to 23"],
  ["* * 0 * *", "has a day of month that is not from 1 to 31"],
  ["* * * 13 *", "has a month that is not from 1 to 12"],
  ["* * * * 8", "has a day of week that is not from 0 to 7"],
  ["*/0 * * * *", 'got "*/0"'],
  ["20-10 * * * *", 'got "20-10"'],
  ["*-5 * * * *", 'got "*-5"'],
  ["1, * * * *", 'got ""'],
  ["a * * * *", 'got "a"'],
  ["-1 * * * *", 'got "-1"'],
  ["1.5 * * * *", 'got "1.5"'],
])("%s is refused", (cron, message) => expect(() => parseCron(cron)).toThrow(message));
