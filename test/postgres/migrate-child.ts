// One of several processes that make the tables at the same moment, when they are all told to.
import { openDatabase } from "../../src/postgres/database.ts";
import { migrate } from "../../src/postgres/migrations.ts";

const database = openDatabase({ url: process.argv[2]! });
await database.query("SELECT 1");
const off = database.listen(
  "go",
  async () => {
    await migrate(database, { engine: true });
    off();
    await database.close();
    console.log("migrated");
  },
  () => console.log("ready"),
);
