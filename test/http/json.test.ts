import { describe, expect, it } from "vitest";
import { jsonListResponse } from "../../src/http/json.ts";

/** So many items of about 10 kB each; counts those that were read, and whether the reading was ended. */
function itemsOf(count: number) {
  const state = { read: 0, ended: false };
  async function* items() {
    try {
      for (let index = 0; index < count; index++) {
        state.read++;
        yield { index, data: "ä".repeat(10_000) };
      }
    } finally {
      state.ended = true;
    }
  }
  return { state, items: items() };
}

describe("a list as JSON", () => {
  it.each([0, 1, 3, 100])("of %i items is what JSON.stringify makes of it", async (count) => {
    const response = await jsonListResponse({ runId: "r" }, "items", itemsOf(count).items);
    expect(response.headers.get("content-type")).toBe("application/json");
    const { runId, items } = (await response.json()) as { runId: string; items: unknown[] };
    expect(runId).toBe("r");
    expect(items).toEqual(
      Array.from({ length: count }, (_, index) => ({ index, data: "ä".repeat(10_000) })),
    );
  });

  it("reads no further than it is read, and ends when its reader goes away", async () => {
    const { state, items } = itemsOf(1000);
    const response = await jsonListResponse({}, "items", items);
    const reader = response.body!.getReader();
    for (let parts = 0; parts < 3; parts++) await reader.read();
    expect(state.read).toBeLessThan(40);
    await reader.cancel();
    expect(state.ended).toBe(true);
  });

  it("throws what goes wrong at once", async () => {
    const broken: AsyncIterable<unknown> = {
      [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(new Error("out of reach")) }),
    };
    await expect(jsonListResponse({}, "items", broken)).rejects.toThrow("out of reach");
  });
});
