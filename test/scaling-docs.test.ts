import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), "utf8");

/** The table of 1, 2 and 4 processes in a text, cell by cell; of a cell the median. */
function figuresOf(text: string): string[][] {
  const [, rows] = /^\| what +\| 1 process .*\n\| -.*\n((?:\|.*\n)+)/m.exec(text)!;
  return rows!
    .trim()
    .split("\n")
    .map((row) =>
      row
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.replace(/ \(.*/, "").trim()),
    );
}

test("docs/scaling.md has the figures that the bench wrote", () => {
  const figures = figuresOf(read("docs/scaling.md"));
  expect(figures.length).toBeGreaterThan(0);
  expect(figures).toEqual(figuresOf(read("bench/RESULTS.md")));
});
