/** A place that a job in flight takes up. */
export interface Slot {
  /** Leaves the place to others while it waits for something, then takes one again, before all who have not started. */
  aside<T>(wait: () => Promise<T>): Promise<T>;
}

/** A sliding window: so many jobs in flight, the next as soon as one ends. */
export interface Slots {
  /** Adds places. */
  widen(places: number): void;
  /** Calls `run` when it has a place: the highest priority first, then who came first. */
  run<T>(priority: number, run: (slot: Slot) => Promise<T>): Promise<T>;
}

/** Who waits for a place. */
interface Waiter {
  priority: number;
  start: () => void;
}

/** A window without any place yet. */
export function createSlots(): Slots {
  let free = 0;
  /** From the highest priority to the lowest; those before `first` have started. */
  const waiting: Waiter[] = [];
  let first = 0;
  /** Those who stepped aside and want to go on. */
  const returning: (() => void)[] = [];

  function next(): (() => void) | undefined {
    const back = returning.shift();
    if (back || first >= waiting.length) return back;
    const { start } = waiting[first++]!;
    // Taking from the front of a long list each time would move all the rest.
    if (first >= 1024) {
      waiting.splice(0, first);
      first = 0;
    }
    return start;
  }

  function pump(): void {
    while (free > 0) {
      const start = next();
      if (!start) return;
      free--;
      start();
    }
  }

  function release(): void {
    free++;
    pump();
  }

  /** After all of the same or a higher priority. */
  function enqueue(waiter: Waiter): void {
    let low = first;
    let high = waiting.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (waiting[middle]!.priority >= waiter.priority) low = middle + 1;
      else high = middle;
    }
    waiting.splice(low, 0, waiter);
  }

  const slot: Slot = {
    async aside(wait) {
      release();
      try {
        return await wait();
      } finally {
        await new Promise<void>((resolve) => {
          returning.push(resolve);
          pump();
        });
      }
    },
  };

  return {
    widen(places) {
      free += places;
      pump();
    },
    async run(priority, run) {
      await new Promise<void>((start) => {
        enqueue({ priority, start });
        pump();
      });
      try {
        return await run(slot);
      } finally {
        release();
      }
    },
  };
}
