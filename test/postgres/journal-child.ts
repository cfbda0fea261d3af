// One of two processes that add checkpoints to one journal at the same time, as fast as they are stored.
import { openDatabase } from "../../src/postgres/database.ts";
import { createStreams } from "../../src/postgres/streams.ts";
import type { World } from "../../src/runtime/engine-world.ts";
import { createJournals } from "../../src/runtime/journal.ts";

const [, , url, runId, who, count] = process.argv;
const database = openDatabase({ url: url! });
const { streamer, close } = createStreams({ database });
const journals = createJournals(() => streamer as World);
const off = database.listen(
  "go",
  async () => {
    const lanes = [0, 1, 2, 3].map(async (lane) => {
      for (let n = lane; n < Number(count); n += 4) {
        const id = `${who}-${n}`;
        await journals.append(runId!, [{ type: "checkpoint", id, at: Date.now(), kind: "step" }]);
      }
    });
    await Promise.all(lanes);
    off();
    close();
    await database.close();
    console.log("done");
  },
  () => console.log("ready"),
);
