// A process that the crash test kills: a small engine under load. It prints a line for everything it was
// told to be stored, at once, so that the parent knows what must be found afterwards.
import { writeSync } from "node:fs";
import { createEmbeddedWorld } from "../../src/world/index.ts";
import { driveEngine } from "./small-engine.ts";

const [, , dataDir, seed] = process.argv;
const world = createEmbeddedWorld({ dataDir: dataDir! });
const say = (line: object): void => {
  writeSync(1, `${JSON.stringify(line)}\n`);
};
const engine = driveEngine(world, (runId, eventId) => say({ runId, eventId }));
await world.start();
say({ ready: true });

for (let count = 0; ; count++) {
  const key = `${seed}-${count}`;
  const [first, second] = await Promise.all([engine.start(key), engine.start(key)]);
  say({ claim: key, runIds: [first.runId, second.runId] });
}
