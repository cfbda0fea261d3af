const delays = [15_000, 30_000, 60_000] as const;

/** Milliseconds between a try that failed and the next: 15, 30, 60 seconds, and then 60 again. */
export function retryDelay(attempts: number): number {
  return delays[Math.min(attempts, delays.length) - 1] ?? delays[0];
}
