import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { root } from "../../_support/app.ts";
import { differenceRows } from "./differences.ts";

test("docs/worlds.md shows the table of known differences", async () => {
  const page = await readFile(join(root, "docs/worlds.md"), "utf8");
  const [, table] = page.split(/<!-- \/?differences -->/);
  const shown = table!
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .map((line) => cellsOf(line));
  // The second line is the rule under the head.
  expect([shown[0], ...shown.slice(2)]).toEqual(differenceRows());
});

function cellsOf(line: string): string[] {
  return line
    .split("|")
    .slice(1, -1)
    .map((cell) => cell.trim());
}
