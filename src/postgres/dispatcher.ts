import { idleSleep } from "../core/sleep.ts";
import { createAlarm } from "./alarm.ts";
import { attemptDelivery, type Delivery, type Outcome } from "./deliveries.ts";
import {
  type Dispatcher,
  type DispatcherOptions,
  type Place,
  placeOf,
} from "./dispatcher-parts.ts";
import { type Claim, keyOf } from "./messages.ts";
import { LEASE_MS, MESSAGES_CHANNEL } from "./message-statements.ts";
import { createSettlements, report, type Settlement } from "./settlements.ts";

/** How often holders give a sign of life, and look whether others do. */
const RENEW_MS = LEASE_MS / 5;

/** How often a process looks without being told, such as for what a process that died has held. */
const POLL_MS = 2000;

/** For how long a free place may wait for more. */
const GATHER_MS = 10;

/** Claims in one statement, so that processes share what comes in a great number. */
const MOST_CLAIMS = 25;

/** How long the end waits for Postgres. */
const STOP_MS = 1500;

/** Makes a dispatcher; nothing is delivered before it is started. */
export function createDispatcher(options: DispatcherOptions): Dispatcher {
  const { database, messages, handlers, limits, retryDelay } = options;
  const held = new Map<string, Delivery>();
  const taken: Record<Place, number> = { flows: 0, steps: 0 };
  /** Whether there may be more in the table than was taken. */
  const waiting: Record<Place, boolean> = { flows: true, steps: true };
  const closing = new AbortController();
  let stopping: Promise<void> | undefined;
  let state: "new" | "running" | "draining" | "stopped" = "new";
  let looking: Promise<void> | undefined;
  let beating = false;
  let unlisten = (): void => undefined;
  /** The last of what the table is being told. */
  let settled: Promise<void> = Promise.resolve();
  let heart: ReturnType<typeof setInterval> | undefined;
  let renewedAt = performance.now();

  const free = (place: Place): number => Math.max(0, limits[place] - taken[place]);
  const alarm = createAlarm(news);
  const settleInBatches = createSettlements({ messages, signal: closing.signal, onSettled });

  function settle(delivery: Delivery, outcome: Outcome): void {
    delivery.settling = true;
    leave(placeOf(delivery.claim.kind));
    settled = settleInBatches({ delivery, outcome });
  }

  function leave(place: Place): void {
    taken[place]--;
    if (!waiting[place]) return;
    // A few places soon are taken in one statement, one place no later than in a moment.
    if (free(place) >= limits[place] / 4) look();
    else schedule(GATHER_MS);
  }

  function deliver(claim: Claim): void {
    const key = keyOf(claim);
    const before = held.get(key);
    if (before && !before.settling) {
      // Its lease had run out, and nobody else has taken it.
      before.claim.token = claim.token;
      return leave(placeOf(claim.kind));
    }
    if (state !== "running") {
      // It came when nothing was to be taken any more.
      leave(placeOf(claim.kind));
      return handBack([claim]);
    }
    const losses = database.losses();
    const delivery: Delivery = { claim, losses, settling: false, lost: new AbortController() };
    held.set(key, delivery);
    void run(delivery);
  }

  async function run(delivery: Delivery): Promise<void> {
    const { claim, lost } = delivery;
    const outcome = await outcomeOf(delivery);
    if (lost.signal.aborted || state === "stopped") return;
    const { again } = delivery;
    // What failed comes again anyway.
    if (again === undefined || (!outcome.done && outcome.failed)) return settle(delivery, outcome);
    claim.payload = again;
    claim.attempt = 1;
    delete delivery.again;
    if (state === "running") return run(delivery);
    settle(delivery, { done: false, failed: false, attempt: 1, delayMs: 0 });
  }

  async function outcomeOf(delivery: Delivery): Promise<Outcome> {
    const { claim } = delivery;
    if (claim.kind !== "later") {
      // Claimed for its handler, which is never taken away.
      return attemptDelivery(delivery, handlers.of(claim.queueName)!, retryDelay);
    }
    return attemptDelivery(delivery, () => options.wake(claim), retryDelay);
  }

  function onSettled(items: readonly Settlement[], again: readonly Claim[]): void {
    for (const { delivery, outcome } of items) {
      forget(delivery);
      if (!outcome.done) schedule(outcome.delayMs);
      // A crash may have undone the last events that came of it, while its message has been removed after it.
      else if (delivery.losses < database.losses()) {
        options.wakeRun(delivery.claim).catch(noteFailure);
      }
    }
    if (again.length > 0 && state !== "running") {
      return handBack(again);
    }
    for (const claim of again) {
      // It has its lease, and so is begun whether there is a place or not.
      taken[placeOf(claim.kind)]++;
      deliver(claim);
    }
  }

  function handBack(claims: readonly Claim[]): void {
    const before = settled;
    settled = messages.handBack(claims).then(() => before, noteFailure);
  }

  /** Nobody need know what an end cuts short. */
  function noteFailure(error: unknown): void {
    if (state !== "stopped") report(error);
  }

  function forget(delivery: Delivery): void {
    const key = keyOf(delivery.claim);
    if (held.get(key) === delivery) held.delete(key);
  }

  function look(): void {
    if (looking || state !== "running") return;
    looking = new Promise<void>((resolve) => setImmediate(resolve)).then(lookNow);
  }

  async function lookNow(): Promise<void> {
    try {
      // After a time without Postgres, what is held here comes first.
      if (performance.now() - renewedAt > LEASE_MS) await renew();
      const flows = Math.min(free("flows"), MOST_CLAIMS);
      const steps = Math.min(free("steps"), MOST_CLAIMS);
      const prefixes = handlers.prefixes();
      if (state !== "running" || prefixes.length === 0 || flows + steps === 0) return;
      waiting.flows = flows === 0;
      waiting.steps = steps === 0;
      const claims = await messages.claim({ flows, steps, prefixes });
      const count = { flows: 0, steps: 0 };
      for (const claim of claims) {
        const place = placeOf(claim.kind);
        count[place]++;
        taken[place]++;
        deliver(claim);
      }
      if (flows > 0 && count.flows === flows) waiting.flows = true;
      if (steps > 0 && count.steps === steps) waiting.steps = true;
    } catch (error) {
      noteFailure(error);
      schedule(1000);
    } finally {
      looking = undefined;
      if (state === "running") {
        schedule(POLL_MS * (0.75 + Math.random() / 2));
        const more = (["flows", "steps"] as const).some(
          (place) => waiting[place] && free(place) > 0,
        );
        if (more) schedule(GATHER_MS);
      }
    }
  }

  function schedule(delayMs: number): void {
    if (state === "running") alarm.set(delayMs);
  }

  /** There may be something to take. */
  function news(): void {
    waiting.flows = true;
    waiting.steps = true;
    look();
  }

  /** A sign of life for all that is held; what is not held any more is not to be told of. */
  async function renew(): Promise<void> {
    const deliveries = [...held.values()].filter(({ settling }) => !settling);
    const claims = deliveries.map(({ claim: { runId, name, token } }) => ({ runId, name, token }));
    const kept = claims.length > 0 ? await messages.renew(claims) : new Set<string>();
    renewedAt = performance.now();
    deliveries.forEach((delivery, index) => {
      const { claim, settling } = delivery;
      if (settling || kept.has(keyOf(claim)) || claim.token !== claims[index]!.token) return;
      forget(delivery);
      delivery.lost.abort();
      leave(placeOf(claim.kind));
      // It was noted here alone, and whoever has the run now may have read all it wanted.
      const { again: payload } = delivery;
      if (payload !== undefined) options.wake({ ...claim, payload }).catch(noteFailure);
    });
  }

  async function beat(): Promise<void> {
    // While Postgres is away, one waits for it.
    if (beating) return;
    beating = true;
    try {
      await renew();
      if (state !== "running") return;
      if ((await messages.reap()) > 0) news();
      // Delayed by a process that may be gone by then.
      const next = await messages.nextDue();
      if (next !== undefined) schedule(next);
    } catch (error) {
      noteFailure(error);
    } finally {
      beating = false;
    }
  }

  async function stop(): Promise<void> {
    state = "draining";
    alarm.clear();
    clearInterval(heart);
    unlisten();
    const late = idleSleep(STOP_MS, closing.signal);
    // What a look under way brings is handed back.
    const over = Promise.resolve(looking).then(() => settled);
    await Promise.race([over.catch(() => undefined), late]);
    state = "stopped";
    const left = [...held.values()].filter(({ lost }) => !lost.signal.aborted);
    const back = messages.handBack(left.map(({ claim }) => claim)).catch(() => undefined);
    if (left.length > 0) await Promise.race([back, late]);
    closing.abort();
    held.clear();
  }

  return {
    reserve({ kind, queueName }) {
      const place = placeOf(kind);
      const can = state === "running" && kind !== "later" && handlers.of(queueName) !== undefined;
      if (can && free(place) > 0) {
        taken[place]++;
        return true;
      }
      if (can) waiting[place] = true;
      return false;
    },
    release: (kind) => leave(placeOf(kind)),
    deliver,
    underWay(key) {
      const delivery = held.get(key);
      return delivery?.settling ? undefined : delivery;
    },
    look: news,
    schedule,
    start() {
      if (state !== "new") return;
      state = "running";
      unlisten = database.listen(MESSAGES_CHANNEL, news, news);
      heart = setInterval(() => void beat(), RENEW_MS);
      heart.unref();
      news();
    },
    drain() {
      if (state === "new" || state === "running") state = "draining";
      alarm.clear();
    },
    stop: () => (stopping ??= stop()),
    counts: () => ({
      delivering: taken.flows + taken.steps,
      nextDue: alarm.left(),
    }),
  };
}
