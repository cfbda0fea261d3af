import type { Server, ServerRegistry } from "../types/server.ts";
import { firstOf, idleSleep, type Sleep } from "./sleep.ts";

/** Asks a server whether it is well: rejects, with the reason, if it is not. */
export type Probe = (server: Server, signal: AbortSignal) => Promise<void>;

/** What is probed, how and how often. */
export interface HealthCheckOptions {
  registry: ServerRegistry;
  probe: Probe;
  /** Milliseconds between two rounds, give or take a tenth. */
  interval: number;
  /**
   * Milliseconds until a probe is given up.
   * @default 2000
   */
  timeout?: number;
  /** In [0, 1). */
  random?: () => number;
  sleep?: Sleep;
}

/** A running health check. */
export interface HealthCheck {
  /** Aborts the probes in flight; nothing is reported from then on. */
  stop: () => void;
}

/**
 * Probes every server now and in each interval, all at once, and reports how it went: failures in
 * a row open a server's circuit, a success closes it. It does not keep the process alive.
 */
export function startHealthCheck(options: HealthCheckOptions): HealthCheck {
  const { registry, probe, interval, timeout = 2000 } = options;
  const { random = Math.random, sleep = idleSleep } = options;
  const stopped = new AbortController();
  const probing = new Set<string>();

  async function check(server: Server): Promise<void> {
    if (probing.has(server.id)) return;
    probing.add(server.id);
    let error: string | undefined = `No answer within ${timeout} ms`;
    const answer = async (signal: AbortSignal): Promise<void> => {
      try {
        await probe(server, signal);
        if (!signal.aborted) error = undefined;
      } catch (cause) {
        if (!signal.aborted) error = cause instanceof Error ? cause.message : String(cause);
      } finally {
        // Only now: a probe that does not heed its signal must not get a second one beside it.
        probing.delete(server.id);
      }
    };
    await firstOf(stopped.signal, answer, (signal) => sleep(timeout, signal));
    if (stopped.signal.aborted) return;
    await registry.report(server.id, error === undefined ? { ok: true } : { ok: false, error });
  }

  async function round(): Promise<void> {
    try {
      await Promise.allSettled((await registry.list()).map(check));
    } catch {
      // A registry that is out of reach now is asked again in the next round.
    }
  }

  async function run(): Promise<void> {
    while (!stopped.signal.aborted) {
      void round();
      // Jitter keeps several orchestrators from probing in step.
      await sleep(interval * (0.9 + random() * 0.2), stopped.signal);
    }
  }

  void run();
  return { stop: () => stopped.abort() };
}
