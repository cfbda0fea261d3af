import { expect, test, vi } from "vitest";
import { onAbort } from "../../src/core/abort.ts";
import { firstOf, idleSleep, sleep } from "../../src/core/sleep.ts";

test.each([sleep, idleSleep])("%o ends at an abort, in time", async (wait) => {
  const abort = new AbortController();
  const done = wait(60_000, abort.signal);
  abort.abort();
  await expect(done).resolves.toBeUndefined();
});

test.each([sleep, idleSleep])("%o does not begin once aborted", async (wait) => {
  await expect(wait(60_000, AbortSignal.abort())).resolves.toBeUndefined();
});

test("a sleep longer than a timer can take does not end at once", async () => {
  const abort = new AbortController();
  let ended = false;
  const long = sleep(Infinity, abort.signal).then(() => (ended = true));
  await sleep(20);
  expect(ended).toBe(false);
  abort.abort();
  await long;
});

test("the first of several waits aborts the others", async () => {
  let other: AbortSignal | undefined;
  await firstOf(
    undefined,
    () => Promise.resolve(),
    (signal) => {
      other = signal;
      return new Promise(() => {});
    },
  );
  expect(other?.aborted).toBe(true);
});

test("an abort from outside ends waits that do not heed it", async () => {
  const abort = new AbortController();
  const done = firstOf(abort.signal, () => new Promise(() => {}));
  abort.abort();
  await expect(done).resolves.toBeUndefined();
});

test("a signal that has aborted calls its listener at once", () => {
  const listener = vi.fn();
  onAbort(AbortSignal.abort(), listener);
  expect(listener).toHaveBeenCalledOnce();
});

test("a listener that was taken off is not called", () => {
  const abort = new AbortController();
  const [one, other] = [vi.fn(), vi.fn()];
  onAbort(abort.signal, one)();
  onAbort(abort.signal, other);
  abort.abort();
  expect([one.mock.calls.length, other.mock.calls.length]).toEqual([0, 1]);
});

test("a hundred listeners of one signal make Node warn of no leak", async () => {
  const warnings: Error[] = [];
  const warn = (warning: Error) => void warnings.push(warning);
  process.on("warning", warn);
  const abort = new AbortController();
  for (let n = 0; n < 100; n += 1) onAbort(abort.signal, () => {});
  await sleep(10);
  process.off("warning", warn);
  expect(warnings.filter(({ name }) => name === "MaxListenersExceededWarning")).toEqual([]);
});
