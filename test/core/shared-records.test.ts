import { expect, test } from "vitest";
import { createSharedRecords, keyOf } from "../../src/core/shared-records.ts";
import { createClock, settled } from "./clock.ts";
import { createTestStorage } from "./shared-storage.ts";

function setup() {
  const clock = createClock();
  const storage = createTestStorage();
  const notes: string[] = [];
  const note = (message: string): void => void notes.push(message);
  return { clock, storage, notes, records: createSharedRecords({ storage, note, ...clock }) };
}

test("an answer that comes late does not replace what is newer", async () => {
  const { clock, storage, records } = setup();
  const key = "servers:a";
  await storage.setItem(key, { turn: 1 });
  await records.refresh();
  // What was asked for first is answered last, with what there was then.
  const { getItems } = storage;
  let first = true;
  storage.getItems = async (keys) => {
    const answer = await getItems(keys);
    if (first) {
      first = false;
      await clock.sleep(100);
    }
    return answer;
  };
  const slow = records.read([key]);
  await settled();
  await storage.setItem(key, { turn: 2 });
  await records.read([key]);
  expect(records.get(key)).toEqual({ turn: 2 });
  await clock.advance(100);
  expect([await slow, records.get(key)]).toEqual([true, { turn: 2 }]);
  first = true;
  const slower = records.read([key]);
  await settled();
  await records.write(key, { turn: 3 });
  await clock.advance(100);
  expect([await slower, records.get(key)]).toEqual([true, { turn: 3 }]);
});

test("an answer that never comes is not waited for", async () => {
  const { clock, storage, records, notes } = setup();
  await storage.setItem("servers:a", {});
  await records.refresh();
  let answer: () => void = () => undefined;
  storage.onCall(() => new Promise((resolve) => (answer = resolve)));
  const reading = records.read(["servers:a"]);
  await clock.advance(2000);
  expect(await reading).toBe(false);
  expect(records.get("servers:a")).toEqual({});
  expect(notes).toEqual([expect.stringContaining("away (no answer within 2000 ms)")]);
  // Whoever asks meanwhile is answered at once.
  await clock.advance(1000);
  expect(records.refresh()).toBeUndefined();
  answer();
});

test("things of others in the same storage are neither read nor kept", async () => {
  const { storage, records } = setup();
  for (const key of ["sessions:1", "servers:a", "servers", "xservers:b"]) {
    await storage.setItem(key, { key });
  }
  const asked: string[][] = [];
  const { getItems } = storage;
  storage.getItems = (keys) => (asked.push(keys), getItems(keys));
  await records.refresh();
  expect(asked).toEqual([["servers:a"]]);
  expect(records.below("")).toEqual([["servers:a", { key: "servers:a" }]]);
});

test("a text as a key has no character that a storage takes for something else", () => {
  expect(["eu-1", "EU", "a/b:c", "..", "ü", " "].map(keyOf)).toEqual([
    "eu-1",
    "_45_55",
    "a_2fb_3ac",
    "_2e_2e",
    "_c3_bc",
    "_20",
  ]);
});
