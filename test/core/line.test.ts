import { expect, test } from "vitest";
import { createLines } from "../../src/core/line.ts";
import { settled } from "./clock.ts";

test("turns come in the order of joining", async () => {
  const lines = createLines();
  const order: number[] = [];
  const places = [1, 2, 3].map((n) => {
    const place = lines.join("x");
    void place.turn.then(() => order.push(n));
    return place;
  });
  await settled();
  expect(order).toEqual([1]);
  places[0]!.leave();
  await settled();
  expect(order).toEqual([1, 2]);
});

test("who leaves early does not let the next one overtake", async () => {
  const lines = createLines();
  const first = lines.join("x");
  lines.join("x").leave();
  let turn = false;
  void lines.join("x").turn.then(() => (turn = true));
  await settled();
  expect(turn).toBe(false);
  first.leave();
  await settled();
  expect(turn).toBe(true);
});

test("lines of other keys do not wait for each other", async () => {
  const lines = createLines();
  lines.join("x");
  await expect(lines.join("y").turn).resolves.toBeUndefined();
});

test("a line is gone when all have left", async () => {
  const lines = createLines();
  const places = [lines.join("x"), lines.join("x")];
  expect(lines.has("x")).toBe(true);
  places.forEach((place) => place.leave());
  await settled();
  expect(lines.has("x")).toBe(false);
});
