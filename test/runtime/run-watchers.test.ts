import { expect, test, vi } from "vitest";
import { createRunWatchers, watchEnd } from "../../src/runtime/run-watchers.ts";

test("a World that does not answer is not asked again meanwhile", async () => {
  vi.useFakeTimers();
  try {
    let asked = 0;
    let answer = (_ended: boolean): void => undefined;
    let ends = 0;
    const hasEnded = (): Promise<boolean> => {
      asked++;
      return new Promise((resolve) => (answer = resolve));
    };
    const stop = watchEnd(createRunWatchers(), "wrun_1", hasEnded, () => ends++);
    await vi.advanceTimersByTimeAsync(30_000);
    expect(asked).toBe(1);
    answer(false);
    await vi.advanceTimersByTimeAsync(1000);
    expect(asked).toBe(2);
    answer(true);
    await vi.advanceTimersByTimeAsync(0);
    expect(ends).toBe(1);
    stop();
  } finally {
    vi.useRealTimers();
  }
});
