// A process with nothing to do but to wait for a Postgres that is not there yet.
import { openDatabase } from "../../src/postgres/database.ts";

const database = openDatabase({ url: process.argv[2]!, patience: 500, note: () => undefined });
await database.query("SELECT 1").catch(({ code }: { code: string }) => console.log(code));
await database.close();
