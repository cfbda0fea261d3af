import { readFile, writeFile } from "node:fs/promises";
import { cpus, loadavg, totalmem } from "node:os";

const results = new URL("RESULTS.md", import.meta.url);
const title = "# Results";

/** What the figures are taken on, and how busy it is before. */
export function machine() {
  return `${cpus().length} × ${cpus()[0].model}, ${Math.round(totalmem() / 2 ** 30)} GiB, load ${loadavg()[0].toFixed(1)} before, Node ${process.version}`;
}

/** "name version, …": the engine's and the server's, which every suite runs on, and those given. */
export async function versionsOf(more) {
  const own = {};
  for (const name of ["workflow", "nitro"]) own[name] = await ownVersion(name);
  return Object.entries({ ...own, ...more })
    .map((entry) => entry.join(" "))
    .join(", ");
}

/** The version of a package of the repository's own. */
export async function ownVersion(name) {
  const url = new URL(`../node_modules/${name}/package.json`, import.meta.url);
  return JSON.parse(await readFile(url, "utf8")).version;
}

/** The middle of sorted or unsorted samples, or any other share of them. */
export function quantile(samples, share = 0.5) {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

export function table(head, rows) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

export function samplesTable(rows) {
  return table(
    ["what", "median", "p95", "max", "samples"],
    rows.map(({ what, unit, samples }) => [
      what,
      `${quantile(samples).toFixed(1)} ${unit}`,
      `${quantile(samples, 0.95).toFixed(1)} ${unit}`,
      `${quantile(samples, 1).toFixed(1)} ${unit}`,
      samples.length,
    ]),
  );
}

/** Puts a suite's section into RESULTS.md and leaves the others as they are. */
export async function writeSection(name, section, order) {
  const text = await readFile(results, "utf8").catch((error) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  await writeFile(results, withSection(text, name, section, order));
}

/** The file's text with one section replaced, the sections in the order given. */
export function withSection(text, name, section, order) {
  const sections = new Map(
    text
      .split(/^## /m)
      .slice(1)
      .map((part) => {
        const end = part.indexOf("\n");
        return [part.slice(0, end).trim(), part.slice(end).trim()];
      }),
  );
  sections.set(name, section.trim());
  const place = (key) => (order.includes(key) ? order.indexOf(key) : order.length);
  const sorted = [...sections].toSorted(([a], [b]) => place(a) - place(b));
  return `${[title, ...sorted.map(([key, body]) => `## ${key}\n\n${body}`)].join("\n\n")}\n`;
}
