const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const timeLength = 10;

/** Makes ULIDs for one process at a time (their randomness need not be hard to guess) that rise, also within one millisecond and when the clock is set back, and are later than a time. */
export function createUlids(now: () => number, after = 0): () => string {
  let time = after;
  let random: number[] | undefined;
  return () => {
    const current = now();
    if (current > time || !random) {
      time = Math.max(current, time + 1);
      random = Array.from({ length: 16 }, () => Math.floor(Math.random() * 32));
      // Room for the increments of one millisecond.
      random[0] = random[0]! % 16;
    } else increment(random);
    return encodeTime(time) + random.map((digit) => alphabet[digit]).join("");
  };
}

/** The time in a ULID in milliseconds since the epoch; `undefined` when it is none. */
export function timeOfUlid(ulid: string): number | undefined {
  if (!/^[0-7][0-9A-HJKMNP-TV-Z]{25}$/.test(ulid)) return undefined;
  let time = 0;
  for (const char of ulid.slice(0, timeLength)) time = time * 32 + alphabet.indexOf(char);
  return time;
}

function increment(digits: number[]): void {
  for (let index = digits.length - 1; index >= 0; index--) {
    const digit = digits[index]!;
    if (digit < 31) {
      digits[index] = digit + 1;
      return;
    }
    digits[index] = 0;
  }
}

function encodeTime(time: number): string {
  let rest = time;
  let text = "";
  for (let index = 0; index < timeLength; index++) {
    text = alphabet[rest % 32] + text;
    rest = Math.floor(rest / 32);
  }
  return text;
}
