import { type Database, type DatabaseOptions, openDatabase } from "../../src/postgres/database.ts";

/** Databases of a test, which are closed with it. */
export interface TestDatabases {
  open(options: DatabaseOptions): Database;
  close(): Promise<void>;
}

/** Opens databases that say nothing, and closes them all. */
export function testDatabases(): TestDatabases {
  const opened: Database[] = [];
  return {
    open(options) {
      const database = openDatabase({ note: () => undefined, ...options });
      opened.push(database);
      return database;
    },
    async close() {
      await Promise.all(opened.splice(0).map((database) => database.close()));
    },
  };
}

/** A promise that is resolved from outside. */
export function later<T = void>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((settle) => (resolve = settle));
  return { promise, resolve };
}
