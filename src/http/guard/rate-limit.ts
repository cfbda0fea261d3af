import { RateLimiterMemory, RateLimiterRedis, type RateLimiterRes } from "rate-limiter-flexible";
import { HttpProblem } from "../errors.ts";

/** How many requests a caller may send. */
export interface RateLimitOptions {
  /** Milliseconds of a window. */
  window: number;
  /** Requests in a window. */
  max: number;
  /**
   * A client of `ioredis`, through which processes share their counts; without it, and while it is not
   * connected, they are this process's own.
   */
  redis?: unknown;
}

/** Counts of what callers have sent, each from the first request of a window on. */
export interface RateLimits {
  /**
   * Counts a request, and tells its caller in the answer's headers how many are left.
   *
   * @throws HttpProblem 429 when it is one too many
   */
  count(caller: string, answer: Headers): Promise<void>;
  /**
   * Refuses a caller who has none left, without counting.
   *
   * @throws HttpProblem 429
   */
  assertLeft(caller: string, answer: Headers): Promise<void>;
}

/** Counts in windows of the same length for every caller. */
export function createRateLimits({ window, max, redis }: RateLimitOptions): RateLimits {
  // Redis counts in whole seconds, and would keep for ever what is shorter than one.
  const duration = redis ? Math.ceil(window / 1000) : window / 1000;
  const options = { points: max, duration, keyPrefix: "orchestrator:requests" };
  const memory = new RateLimiterMemory(options);
  const limiter = redis
    ? new RateLimiterRedis({
        ...options,
        storeClient: redis,
        rejectIfRedisNotReady: true,
        insuranceLimiter: memory,
      })
    : memory;

  function tell(answer: Headers, { remainingPoints, msBeforeNext }: RateLimiterRes): number {
    const seconds = Math.max(1, Math.ceil(msBeforeNext / 1000));
    answer.set("ratelimit-limit", String(max));
    answer.set("ratelimit-remaining", String(remainingPoints));
    answer.set("ratelimit-reset", String(seconds));
    answer.set("ratelimit-policy", `${max};w=${Math.ceil(duration)}`);
    return seconds;
  }

  function refuse(answer: Headers, state: RateLimiterRes): never {
    const retryAfter = String(tell(answer, state));
    throw new HttpProblem(429, "rate_limited", {}, { "retry-after": retryAfter });
  }

  return {
    async count(caller, answer) {
      let state: RateLimiterRes;
      try {
        state = await limiter.consume(caller);
      } catch (rejection) {
        // It rejects with the state where there is none left, and with an error where it is broken.
        if (rejection instanceof Error) throw rejection;
        return refuse(answer, rejection as RateLimiterRes);
      }
      tell(answer, state);
    },
    async assertLeft(caller, answer) {
      const state = await limiter.get(caller);
      if (state && state.consumedPoints >= max && state.msBeforeNext > 0) refuse(answer, state);
    },
  };
}
