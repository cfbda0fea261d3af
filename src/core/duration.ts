const units: Record<string, number> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** Milliseconds of a duration: a number of them, or a text such as `"30s"`, `"2h"` or `"7d"`; undefined for what is none. */
export function parseDuration(value: unknown): number | undefined {
  if (typeof value === "number") return Number.isFinite(value) && value >= 0 ? value : undefined;
  const [, number, unit] = /^(\d+(?:\.\d+)?) ?(ms|[smhdw])$/.exec(String(value)) ?? [];
  return number === undefined || unit === undefined ? undefined : Number(number) * units[unit]!;
}
