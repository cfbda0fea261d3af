/** A place that a job in flight takes up. */
export interface Slot {
  /** Leaves the place to others while it waits for something, then takes one again, before all who have not started. */
  aside<T>(wait: () => Promise<T>): Promise<T>;
}

/**
 * A sliding window: so many jobs in flight, the next as soon as one ends. A wide one is filled step by
 * step, see `FIRST`.
 */
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

/**
 * Jobs that start at once, however wide the window is. Thousands of short jobs are done faster one after
 * another than side by side, where each has a connection and a state of its own.
 */
const FIRST = 64;

/** Milliseconds after which it is decided whether more may be in flight. */
const WIDEN_MS = 100;

/** Milliseconds that others may have had to wait for their turn when more are to begin. */
const LATE_MS = 20;

/** How many more at most. */
const STEP = 512;

/** Jobs that start in one go: all else of this process waits meanwhile. */
const GO = 32;

/** Decisions after which more are tried once again, though more brought nothing the last time. */
const PATIENCE = 10;

/** The time and timers that a window is filled by. */
export interface Pace {
  /** Milliseconds from any origin. */
  now: () => number;
  /** Calls back after so many milliseconds. */
  after: (ms: number, callback: () => void) => void;
}

/** A window without any place yet. */
export function createSlots({ now, after }: Pace = realPace): Slots {
  /** Places that nobody has. */
  let free = 0;
  let inFlight = 0;
  /** How many of the window's places are used by now. */
  let opened = FIRST;
  /** Jobs that have left their place since it was last decided how many are used. */
  let left = 0;
  let deciding = false;
  /** Jobs that have begun since the last rest. */
  let begun = 0;
  let resting = false;
  /** The most jobs that have ended in a millisecond. */
  let best = 0;
  /** Decisions in a row that left the window as it was. */
  let held = 0;
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
    while (free > 0 && inFlight < opened && !resting) {
      const start = next();
      if (!start) return;
      if (++begun === GO) rest();
      free--;
      inFlight++;
      start();
    }
    if (free > 0 && !resting && !deciding && (returning.length > 0 || first < waiting.length)) {
      deciding = true;
      left = 0;
      const began = now();
      after(WIDEN_MS, () => decide(now() - began));
    }
  }

  /**
   * Uses more of the window where next to nothing ended, and for as long as more in flight are more that end in
   * the same time: beyond that, they would only wait for each other.
   */
  function decide(elapsed: number): void {
    deciding = false;
    const rate = left / elapsed;
    // A timer that comes late says that this process has all that it can do.
    const late = elapsed > WIDEN_MS + LATE_MS;
    const more = !late && (left < opened / 32 || rate > best * 1.25);
    best = Math.max(best, rate);
    held = more ? 0 : held + 1;
    if (more || (!late && held % PATIENCE === 0)) opened += Math.min(opened, STEP);
    pump();
  }

  /** Lets others have their turn. */
  function rest(): void {
    resting = true;
    after(0, () => {
      resting = false;
      begun = 0;
      pump();
    });
  }

  function release(): void {
    free++;
    inFlight--;
    left++;
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

const realPace: Pace = {
  now: Date.now,
  after: (ms, callback) => void setTimeout(callback, ms),
};
