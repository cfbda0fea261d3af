import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createApp } from "../app.mjs";

/** How long after a run's end a client that waits for it has the answer, and how long a two-step run takes. */
export async function wait({ quick }) {
  const rounds = quick ? 5 : 50;
  const app = await createApp({
    "workflows/two.ts": `export async function two() {
  "use workflow";
  return (await step(1)) + (await step(2));
}
async function step(n: number) {
  "use step";
  return n;
}
`,
  });
  await app.build();
  // On the engine's local World, whose record of a run tells when it ended.
  const server = await app.start({ env: { WORKFLOW_TARGET_WORLD: "local" } });
  try {
    const base = `${server.url}/api/orchestrator/two`;
    const [afterEnd, whole] = [[], []];
    for (let i = -5; i < rounds; i++) {
      const began = performance.now();
      const { runId } = await (await fetch(base, { method: "POST" })).json();
      const response = await fetch(`${base}?runId=${runId}&wait=30`);
      const received = Date.now();
      if ((await response.json()) !== 3) throw new Error("wrong answer");
      const record = join(app.dir, `.orchestrator/world/runs/${runId}.json`);
      const { completedAt } = JSON.parse(await readFile(record, "utf8"));
      // The first few warm the server up.
      if (i < 0) continue;
      whole.push(performance.now() - began);
      afterEnd.push(received - Date.parse(completedAt));
    }
    return [
      {
        what: "`?wait=` answered after the run's end, on the engine's local World",
        unit: "ms",
        samples: afterEnd,
      },
      {
        what: "two-step run on the engine's local World, POST to result",
        unit: "ms",
        samples: whole,
      },
    ];
  } finally {
    await server.stop();
  }
}
