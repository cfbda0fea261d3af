// A process that takes a message and is killed before it has dealt with it.
import { openDatabase } from "../../src/postgres/database.ts";
import { createMessages } from "../../src/postgres/messages.ts";
import { createPresence } from "../../src/postgres/presence.ts";
import { createQueue } from "../../src/postgres/queue.ts";

const database = openDatabase({ url: process.argv[2]! });
const presence = createPresence(database);
const queue = createQueue({
  database,
  messages: createMessages(database, presence.id),
  limits: { flows: 10, steps: 10 },
});
queue.createQueueHandler("__wkf_", async (_message, { attempt }) => {
  console.log(`taken ${attempt}`);
  await new Promise(() => setInterval(() => undefined, 1000));
});
presence.start();
queue.start();
console.log("started");
