import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openLmdbStore } from "../../src/world/lmdb-store.ts";
import type { Fact } from "../../src/world/records.ts";
import { bundledChild } from "./bundled-child.ts";
import { violations } from "./invariants.ts";

const { dir, child } = bundledChild("durable-child.ts");

const started = ["run_created"];
const first = [...started, "run_started", "step_created step0", "step_started step0"];
const firstDone = [...first, "step_completed step0"];
const second = [...firstDone, "step_created step1", "step_started step1"];
const ended = [...second, "step_completed step1", "run_completed"];

/** What must be on the disk at each moment at which something becomes known outside. */
const moments: [moment: string, events: string[]][] = [
  ["start acknowledged", started],
  ["code of step0", first],
  ["step0 acknowledged", firstDone],
  ["code of step1", second],
  ["end announced", ended],
  ["end read", ended],
];

test.each(moments)(
  "a process killed at the moment “%s” has stored all before it",
  async (moment, events) => {
    const dataDir = join(dir, moment.replaceAll(" ", "-"));
    const running = spawn(process.execPath, [child, dataDir, moment], {
      stdio: ["ignore", "ignore", "pipe"],
      timeout: 20_000,
      killSignal: "SIGTERM",
    });
    let errors = "";
    running.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
    const [, signal] = (await once(running, "close")) as [number | null, string | null];
    expect(signal, errors).toBe("SIGKILL");
    const store = openLmdbStore({ dataDir, readOnly: true });
    const facts = [...store.range<Fact>({ prefix: "event/" })].map(({ value }) => value);
    const stored = facts.map(({ eventType, correlationId = "" }) =>
      `${eventType} ${correlationId}`.trim(),
    );
    expect(stored.slice(0, events.length)).toEqual(events);
    expect(violations(store)).toEqual([]);
    await store.close();
  },
  30_000,
);
