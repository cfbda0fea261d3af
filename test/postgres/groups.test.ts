import { expect, test } from "vitest";
import { createGroups } from "../../src/postgres/groups.ts";
import { later } from "./support.ts";

/** Groups that note what was done together, and wait to be let go. */
function noted() {
  const done: string[][] = [];
  const gate = later();
  const groups = createGroups<string, string>(async (items) => {
    done.push([...items]);
    await gate.promise;
    return items.map((item) =>
      item === "bad"
        ? { status: "rejected", reason: new Error("bad") }
        : { status: "fulfilled", value: item },
    );
  });
  return { done, groups, open: gate.resolve };
}

test("what may be done together is, in its order; the rest is done alone, and each has its own result", async () => {
  const { done, groups, open } = noted();
  const all = Promise.allSettled([
    groups.add("run", "a", "first"),
    groups.add("run", "a", "a"),
    groups.add("run", "b", "bad"),
    groups.add("run", "a", "a-again"),
    groups.add("run", undefined, "alone"),
    groups.add("run", "c", "c"),
  ]);
  open();
  const results = await all;
  expect(done).toEqual([["first"], ["a", "bad"], ["a-again"], ["alone"], ["c"]]);
  expect(results.map((result) => ("value" in result ? result.value : "rejected"))).toEqual(
    "first a rejected a-again alone c".split(" "),
  );
});

test("keys do not wait for each other", async () => {
  const { done, groups, open } = noted();
  const both = [groups.add("one", undefined, "1"), groups.add("other", undefined, "2")];
  expect(done).toEqual([["1"], ["2"]]);
  open();
  await Promise.all(both);
});
