// npm run bench -- [suite …] [--quick]
// Measures, prints, and writes each suite's section of bench/RESULTS.md; --quick only tries a suite out.
import { machine, samplesTable, versionsOf, writeSection } from "./report.mjs";
import { ending, scoped, tidy, tidyOnExit } from "./scratch.mjs";
import { dev } from "./suites/dev.mjs";
import { lists } from "./suites/lists.mjs";
import { processes } from "./suites/processes.mjs";
import { runs } from "./suites/runs.mjs";
import { wait } from "./suites/wait.mjs";
import { world } from "./suites/world.mjs";

// A suite answers with rows of samples, or with the text of its section and the versions it saw.
const suites = { wait, dev, world, runs, lists, processes };
const args = process.argv.slice(2);
const quick = args.includes("--quick");
const asked = args.filter((arg) => arg !== "--quick");
const unknown = asked.find((name) => !(name in suites));
if (unknown) {
  console.error(`unknown suite "${unknown}"; there are ${Object.keys(suites).join(", ")}`);
  process.exit(2);
}

tidyOnExit();
try {
  for (const name of asked.length > 0 ? asked : Object.keys(suites)) {
    const [began, on] = [Date.now(), machine()];
    const result = await scoped(() => suites[name]({ quick }));
    if (ending()) break;
    const { text, versions } = Array.isArray(result)
      ? { text: samplesTable(result), versions: {} }
      : result;
    const section = `Written by \`npm run bench -- ${name}\` on ${new Date().toISOString().slice(0, 10)}, after ${Math.round((Date.now() - began) / 1000)} s.
Machine: ${on}. ${await versionsOf(versions)}.

${text}`;
    console.log(`\n## ${name}\n\n${section}\n`);
    // At once, so that what a later suite does cannot lose it.
    if (!quick) await writeSection(name, section, Object.keys(suites));
  }
} catch (error) {
  // Told to end by a signal, whatever was in the middle of something fails.
  if (!ending()) console.error(error);
  process.exitCode ??= 1;
}
await tidy();
// Now, since the client of a server that is gone may go on trying to reach it.
process.exit();
