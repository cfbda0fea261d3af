/** Bounds of a backoff. */
export interface BackoffOptions {
  /**
   * Milliseconds the first wait may take at most.
   * @default 200
   */
  base?: number;
  /**
   * Milliseconds any wait may take at most.
   * @default 10000
   */
  max?: number;
  /** In [0, 1). */
  random?: () => number;
}

/**
 * Milliseconds to wait after the given number of failures (1 for the first): anything from 0 to a
 * bound that doubles each time, so that jobs that failed together do not come back together.
 */
export function backoff(failures: number, options: BackoffOptions = {}): number {
  const { base = 200, max = 10_000, random = Math.random } = options;
  return Math.floor(random() * Math.min(max, base * 2 ** (failures - 1)));
}
