import { execFileSync, spawnSync } from "node:child_process";

/** One family of metrics in a scrape. */
export interface Family {
  type: string;
  help: string;
  samples: { name: string; labels: Record<string, string>; value: number }[];
}

/** Reads Prometheus' text format, strictly: every sample belongs to a family that was announced before it. */
export function parseMetrics(text: string): Map<string, Family> {
  const families = new Map<string, Family>();
  const help = new Map<string, string>();
  let current: [string, Family] | undefined;
  for (const line of text.split("\n").filter((line) => line !== "")) {
    const [, word, name, rest] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (word === "HELP") help.set(name!, rest!);
    if (word === "TYPE") {
      if (families.has(name!)) throw new Error(`${name} is announced twice`);
      current = [name!, { type: rest!, help: help.get(name!) ?? "", samples: [] }];
      families.set(...current);
    }
    if (word !== undefined) continue;
    const [, sample, labels = "", value] = /^([\w:]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    if (sample === undefined || !current) throw new Error(`no sample: ${line}`);
    const suffix = sample.slice(current[0].length);
    const compound = /^(?:histogram|summary)$/.test(current[1].type);
    const fits = suffix === "" || (compound && /^_(?:bucket|count|sum)$/.test(suffix));
    if (!sample.startsWith(current[0]) || !fits) throw new Error(`${sample} is in ${current[0]}`);
    const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)];
    current[1].samples.push({
      name: sample,
      labels: Object.fromEntries(pairs.map(([, key, text]) => [key, text])),
      value: Number(value),
    });
  }
  return families;
}

/** The value of the one sample that has these labels, or undefined without any. */
export function valueOf(
  families: Map<string, Family>,
  name: string,
  labels: Record<string, string> = {},
): number | undefined {
  const samples = [...families.values()].flatMap((family) => family.samples);
  const wanted = Object.entries(labels);
  const found = samples.filter(
    (sample) => sample.name === name && wanted.every(([key, text]) => sample.labels[key] === text),
  );
  if (found.length > 1) throw new Error(`${name} has ${found.length} samples of these labels`);
  return found[0]?.value;
}

/** What `promtool check metrics` would find fault with, by the rules of its linter. */
export function lintMetrics(text: string): string[] {
  const faults: string[] = [];
  for (const [name, { type, help, samples }] of parseMetrics(text)) {
    const fault = (what: string): void => void faults.push(`${name} ${what}`);
    if (help.trim() === "") fault("has no help text");
    if (!/^[a-z][a-z0-9_]*$/.test(name)) fault("is not in snake_case");
    const isCounter = type === "counter";
    if (isCounter !== name.endsWith("_total")) {
      fault(isCounter ? "is a counter without _total" : "is no counter and ends with _total");
    }
    if (/_(?:bucket|count|sum)$/.test(name)) fault("ends with a reserved suffix");
    if (name.split("_").some((part) => types.has(part))) fault("has a type in its name");
    const units = name.split("_").filter((part) => abbreviated.has(part));
    if (units.length > 0) fault(`has an abbreviated unit: ${units.join()}`);
    if (otherUnits.test(name)) fault("is not in base units");
    for (const { labels } of samples) {
      const bad = Object.keys(labels).filter((label) => !/^[a-z][a-z0-9_]*$/.test(label));
      if (bad.length > 0) fault(`has a label that is not in snake_case: ${bad.join()}`);
      if ("le" in labels && type !== "histogram") fault("has the label le");
      if ("quantile" in labels && type !== "summary") fault("has the label quantile");
    }
  }
  return faults;
}

const types: ReadonlySet<string> = new Set(["counter", "gauge", "histogram", "summary", "untyped"]);
const abbreviated: ReadonlySet<string> = new Set([
  "s",
  "ms",
  "us",
  "ns",
  "sec",
  "b",
  "kb",
  "mb",
  "gb",
  "tb",
  "pb",
  "m",
  "h",
  "d",
]);
const otherUnits =
  /_(?:milli|micro|nano)?(?:seconds?_?ago|minutes|hours|days|weeks|kilobytes|megabytes|gigabytes|bits|fahrenheit|milliseconds|microseconds|nanoseconds)(?:_|$)/;

/** What promtool itself says of a scrape; undefined where it is not installed. */
export function promtool(text: string): string | undefined {
  if (spawnSync("promtool", ["--version"]).error) return undefined;
  return execFileSync("promtool", ["check", "metrics"], { input: text, encoding: "utf8" });
}
