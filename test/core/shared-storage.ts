import { createStorage } from "unstorage";
import memory from "unstorage/drivers/memory";
import type { SharedStorage } from "../../src/types/server.ts";

/** A storage in memory that several may share, how often it was asked, and what may happen to it. */
export interface TestStorage extends SharedStorage {
  /** Calls by the method. */
  calls: Record<"getItems" | "getKeys" | "removeItem" | "setItem", number>;
  /** Rejects everything from now on, or no longer. */
  away(is: boolean): void;
  /** Called before everything it does; what it returns is waited for. */
  onCall(listener: (method: string, key?: string) => Promise<void> | void): void;
  get(key: string): Promise<any>;
  keys(): Promise<string[]>;
}

/** One with unstorage's memory driver. */
export function createTestStorage(): TestStorage {
  const storage = createStorage({ driver: memory() });
  const calls = { getItems: 0, getKeys: 0, removeItem: 0, setItem: 0 };
  let isAway = false;
  let listener: (method: string, key?: string) => Promise<void> | void = () => {};
  const called = async (method: keyof typeof calls, key?: string): Promise<void> => {
    calls[method]++;
    await listener(method, key);
    if (isAway) throw new Error("connection refused");
  };
  return {
    calls,
    away: (is) => void (isAway = is),
    onCall: (given) => void (listener = given),
    get: (key) => storage.getItem(key),
    keys: () => storage.getKeys(),
    async getKeys(base) {
      await called("getKeys");
      return storage.getKeys(base);
    },
    async getItems(keys) {
      await called("getItems");
      return storage.getItems(keys);
    },
    async setItem(key, value) {
      await called("setItem", key);
      await storage.setItem(key, value as never);
    },
    async removeItem(key) {
      await called("removeItem", key);
      await storage.removeItem(key);
    },
  };
}
