import { BodyTooLargeError, parseJson, depthLimit } from "./body.ts";

/**
 * Messages of a worker among the other lines of its log. A line of one is
 * `orchestrator <nonce> <message>.<part>/<parts> <text>`, and nobody who does not know the nonce can write it.
 */
const MARK = "orchestrator";

/**
 * Characters of a part. With three bytes each it stays below the 16 KiB at which container runtimes cut
 * a line, and may put one of stderr between.
 */
const PART = 4000;

/** Characters of the longest line of a message. */
export const longestFrame: number = PART + 200;

/** Makes the lines of one message after the other. */
export function createFrameWriter(nonce: string): (message: unknown) => string {
  let number = 0;
  return (message) => {
    const parts = partsOf(JSON.stringify(message));
    number++;
    const lines = parts.map(
      (part, at) => `${MARK} ${nonce} ${number}.${at + 1}/${parts.length} ${part}\n`,
    );
    return lines.join("");
  };
}

/** Reads messages out of the lines of a log. */
export interface FrameReader {
  /**
   * Takes the next line, and passes on the message that it completes.
   *
   * @throws BodyTooLargeError as soon as a message is over the limit
   */
  take(line: string): void;
  /** From here on the log is read from its start again: what was passed on already is not passed on twice. */
  restart(): void;
}

/** A reader of the messages that carry that nonce. A message that is cut or no JSON is left out. */
export function createFrameReader(
  nonce: string,
  limit: number,
  onMessage: (message: unknown) => void,
): FrameReader {
  const start = `${MARK} ${nonce} `;
  let passed = 0;
  let current: { number: number; parts: string[]; length: number } | undefined;

  return {
    take(line) {
      // What a runner printed may have no end of line before it.
      const at = line.indexOf(start);
      const match = at === -1 ? null : frame.exec(line.slice(at + start.length));
      if (!match) return;
      const [number, part, parts] = match.slice(1, 4).map(Number) as [number, number, number];
      if (number <= passed) return;
      if (part === 1) current = { number, parts: [], length: 0 };
      if (current?.number !== number || current.parts.length !== part - 1) return;
      current.parts.push(match[4]!);
      current.length += match[4]!.length;
      if (current.length > limit) throw new BodyTooLargeError(limit);
      if (part < parts) return;
      const text = current.parts.join("");
      passed = number;
      current = undefined;
      const message = read(text);
      if (message !== undefined) onMessage(message);
    },
    restart: () => void (current = undefined),
  };
}

const frame = /^(\d{1,9})\.(\d{1,9})\/(\d{1,9}) (.*)$/s;

function read(text: string): unknown {
  try {
    // The message's own levels come on top of those of a reply.
    return parseJson(text, "drop", depthLimit + 2);
  } catch {
    return undefined;
  }
}

/** A text in parts that can be written one by one: none ends within a character. */
function partsOf(text: string): string[] {
  const parts: string[] = [];
  for (let from = 0; from < text.length;) {
    let to = from + PART;
    if (isHighSurrogate(text.charCodeAt(to - 1))) to--;
    parts.push(text.slice(from, to));
    from = to;
  }
  return parts;
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}
