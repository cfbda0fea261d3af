import { expect, test } from "vitest";
import { BodyTooLargeError } from "../../src/core/body.ts";
import { createFrameReader, createFrameWriter, longestFrame } from "../../src/core/order-frames.ts";

function read(lines: string[], nonce = "n", limit = 1_000_000): unknown[] {
  const messages: unknown[] = [];
  const reader = createFrameReader(nonce, limit, (message) => messages.push(message));
  for (const line of lines) reader.take(line);
  return messages;
}

const linesOf = (text: string): string[] => text.split("\n").slice(0, -1);

test("a message comes out of its lines as it went in, however long and in whatever letters", () => {
  const frame = createFrameWriter("n");
  // Odd lengths, so that every part would end between the halves of a character.
  for (const text of ["", "short", "\n\r\t\u2028\0", "é".repeat(9001), `x${"🎭".repeat(9001)}`]) {
    const lines = linesOf(frame({ text }));
    for (const line of lines) {
      expect(line.length).toBeLessThan(longestFrame);
      // As it is after UTF-8, and shorter than container runtimes cut.
      expect(Buffer.from(line).toString()).toBe(line);
      expect(Buffer.byteLength(line)).toBeLessThan(16 * 1024);
    }
    expect(read(lines)).toEqual([{ text }]);
  }
});

test("a message is found behind what has no end of line, and between lines of others", () => {
  const [one, two] = linesOf(createFrameWriter("n")({ text: "x".repeat(5000) }));
  expect(read([`no end${one}`, "a line of stderr", `more ${two}`])).toEqual([
    { text: "x".repeat(5000) },
  ]);
});

test("what has another nonce, no JSON or no whole message is nobody's", () => {
  const forged = createFrameWriter("other")({ answer: 1 });
  const [first, , last] = linesOf(createFrameWriter("n")({ text: "x".repeat(9000) }));
  expect(read(linesOf(forged))).toEqual([]);
  expect(
    read(["orchestrator n 1.1/1 {", "orchestrator n 1.1 {}", "orchestrator n x.1/1 {}"]),
  ).toEqual([]);
  expect(read([first!, last!])).toEqual([]);
  // And the next is read all the same.
  expect(read([first!, last!, "orchestrator n 2.1/1 {}"])).toEqual([{}]);
});

test("a log that is read again from its start passes on each message once, also one that was cut", () => {
  const frame = createFrameWriter("n");
  const lines = [{ a: 1 }, { b: "x".repeat(9000) }, { c: 3 }].flatMap((message) =>
    linesOf(frame(message)),
  );
  const messages: unknown[] = [];
  const reader = createFrameReader("n", 100_000, (message) => messages.push(message));
  for (const cut of [1, 3, lines.length, lines.length]) {
    reader.restart();
    for (const line of lines.slice(0, cut)) reader.take(line);
  }
  expect(messages).toMatchObject([{ a: 1 }, {}, { c: 3 }]);
});

test("a message over the limit is refused before all of it is there", () => {
  const lines = linesOf(createFrameWriter("n")({ text: "x".repeat(50_000) }));
  expect(() => read(lines.slice(0, 4), "n", 10_000)).toThrow(BodyTooLargeError);
});
