// npm run bench -- [suite …]     measures, prints, and writes bench/RESULTS.md
import { readFile, writeFile } from "node:fs/promises";
import { cpus, totalmem } from "node:os";
import { dev } from "./suites/dev.mjs";
import { wait } from "./suites/wait.mjs";

const suites = { wait, dev };
const asked = process.argv.slice(2);
const unknown = asked.find((name) => !(name in suites));
if (unknown) {
  console.error(`unknown suite "${unknown}"; there are ${Object.keys(suites).join(", ")}`);
  process.exit(2);
}

const rows = [];
for (const name of asked.length > 0 ? asked : Object.keys(suites)) {
  for (const { what, unit, samples } of await suites[name]()) {
    const sorted = samples.toSorted((a, b) => a - b);
    const at = (share) =>
      sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))].toFixed(1);
    const row = `| ${what} | ${at(0.5)} ${unit} | ${at(0.95)} ${unit} | ${sorted.at(-1).toFixed(1)} ${unit} | ${sorted.length} |`;
    console.log(row);
    rows.push(row);
  }
}

const version = async (name) =>
  JSON.parse(await readFile(new URL(`../node_modules/${name}/package.json`, import.meta.url)))
    .version;
const machine = `${cpus().length} × ${cpus()[0].model}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`;
await writeFile(
  new URL("RESULTS.md", import.meta.url),
  `# Results

Written by \`npm run bench${asked.map((name) => ` ${name}`).join("")}\` on ${new Date().toISOString().slice(0, 10)}.
Machine: ${machine}. workflow ${await version("workflow")}, nitro ${await version("nitro")}.

| what | median | p95 | max | samples |
| --- | --- | --- | --- | --- |
${rows.join("\n")}
`,
);
