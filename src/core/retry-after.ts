/**
 * Milliseconds a `Retry-After` header asks to wait: seconds or an HTTP date, 0 for a past one.
 * `undefined` where there is none or it cannot be read.
 */
export function parseRetryAfter(
  value: string | null | undefined,
  now: number = Date.now(),
): number | undefined {
  const text = value?.trim();
  if (!text) return undefined;
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
