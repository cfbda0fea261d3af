/** A cron expression, read: whether it is due in the minute that a time is in. */
export type CronMatch = (time: Date) => boolean;

interface Field {
  readonly name: string;
  readonly min: number;
  readonly max: number;
  readonly names?: readonly string[];
}

const months = "jan feb mar apr may jun jul aug sep oct nov dec".split(" ");
const days = "sun mon tue wed thu fri sat".split(" ");

const fields: readonly Field[] = [
  { name: "minute", min: 0, max: 59 },
  { name: "hour", min: 0, max: 23 },
  { name: "day of month", min: 1, max: 31 },
  { name: "month", min: 1, max: 12, names: months },
  { name: "day of week", min: 0, max: 7, names: days },
];

/**
 * Reads a cron expression of five fields, in UTC.
 *
 * As in cron, one that restricts both the day of the month and the day of the week is due on either.
 *
 * @throws Error that says which field is wrong
 */
export function parseCron(expression: string): CronMatch {
  const texts = expression.trim().split(/\s+/);
  if (texts.length !== fields.length) {
    throw new Error(`must have five fields, such as "*/5 * * * *" (got "${expression}")`);
  }
  const [minutes, hours, dates, month, weekdays] = fields.map((field, index) =>
    valuesOf(texts[index] as string, field),
  ) as [Set<number>, Set<number>, Set<number>, Set<number>, Set<number>];
  if (weekdays.has(7)) weekdays.add(0);
  const either = !texts[2]?.startsWith("*") && !texts[4]?.startsWith("*");
  return (time) => {
    if (!minutes.has(time.getUTCMinutes()) || !hours.has(time.getUTCHours())) return false;
    if (!month.has(time.getUTCMonth() + 1)) return false;
    const date = dates.has(time.getUTCDate());
    const weekday = weekdays.has(time.getUTCDay());
    return either ? date || weekday : date && weekday;
  };
}

function valuesOf(text: string, field: Field): Set<number> {
  const values = new Set<number>();
  for (const part of text.toLowerCase().split(",")) {
    const match = /^(\*|\w+)(?:-(\w+))?(?:\/(\d+))?$/.exec(part);
    const [, first = "", last, step] = match ?? [];
    const from = first === "*" ? field.min : numberOf(first, field);
    const open = first === "*" || (step !== undefined && last === undefined);
    const to = open ? field.max : last === undefined ? from : numberOf(last, field);
    const by = step === undefined ? 1 : Number(step);
    const valid = match && !(first === "*" && last !== undefined) && by > 0;
    if (!valid || !(from >= field.min && to <= field.max && from <= to)) {
      throw new Error(
        `has a ${field.name} that is not from ${field.min} to ${field.max} (got "${part}")`,
      );
    }
    for (let value = from; value <= to; value += by) values.add(value);
  }
  return values;
}

function numberOf(text: string, { min, names }: Field): number {
  const named = names?.indexOf(text) ?? -1;
  if (named >= 0) return named + min;
  return /^\d+$/.test(text) ? Number(text) : Number.NaN;
}
