import { readdir, readFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { parseSync } from "oxc-parser";
import { expect, test } from "vitest";
import { root } from "./_support/app.ts";

const src = join(root, "src");
const files = (await readdir(src, { recursive: true }))
  .filter((name) => name.endsWith(".ts"))
  .sort();

/** What a file imports, as paths below src/ or package names. */
async function importsOf(file: string): Promise<{ target: string; typeOnly: boolean }[]> {
  const source = await readFile(join(src, file), "utf8");
  const { program } = parseSync(file, source);
  return program.body.flatMap((node) => {
    const from = "source" in node ? node.source?.value : undefined;
    if (typeof from !== "string") return [];
    const kind =
      "importKind" in node ? node.importKind : "exportKind" in node ? node.exportKind : "value";
    const target = from.startsWith(".") ? relative(src, resolve(src, dirname(file), from)) : from;
    return [{ target, typeOnly: kind === "type" }];
  });
}

const graph = new Map(
  await Promise.all(files.map(async (file) => [file, await importsOf(file)] as const)),
);

/** DESIGN 3: what each folder may import below src/; its own files always. */
const allowed: Record<string, RegExp> = {
  types: /^types\//,
  core: /^(?:types|core)\//,
  docs: /^docs\//,
  cli: /^(?:types|core|http|runtime|worker|cli)\//,
  build: /^(?:types|build)\/|^core\/(?:errors|world-stand-in)\.ts$/,
  executors: /^(?:types|core|executors)\//,
  runner: /^(?:types|core|docs|runner)\//,
  http: /^(?:types|core|docs|http)\//,
  world: /^(?:types|core|world)\//,
  worker: /^(?:types|core|runner|executors|worker)\//,
  postgres: /^(?:types|core|postgres)\//,
  runtime: /^(?:types|core|executors|http|postgres|runner|runtime|worker|world)\//,
  "config.ts": /^types\/|^core\/(?:executor-options|server-config|server-options|settings)\.ts$/,
  "nitro.ts": /^(?:types|build)\/|^config\.ts$/,
  "authors.ts":
    /^(?:types|core)\/|^runtime\/workflows\/(?:checkpoints|fan-out|references|steps)\.ts$/,
  "http.ts": /^(?:types|core|http)\/|^runtime\/host\.ts$/,
  "index.ts": /^authors\.ts$|^runtime\/host\.ts$/,
  "index.workflow.ts": /^authors\.ts$|^runtime\/workflows\/no-handler\.ts$/,
};

const local = (target: string): boolean => target.endsWith(".ts");

test("every import goes where the design lets it", () => {
  const strays = [...graph].flatMap(([file, imports]) => {
    const rule = allowed[file.split("/")[0]!]!;
    return imports
      .filter(({ target }) => local(target) && !rule.test(target))
      .map(({ target }) => `${file} → ${target}`);
  });
  expect(strays).toEqual([]);
});

test("there is a rule for every folder", () => {
  expect(
    [...new Set(files.map((file) => file.split("/")[0]!))].filter((name) => !(name in allowed)),
  ).toEqual([]);
});

test("core knows neither Node nor a framework, and only the composition roots know virtual modules", () => {
  const of = (pattern: RegExp): string[] =>
    [...graph]
      .filter(([, imports]) => imports.some(({ target }) => pattern.test(target)))
      .map(([file]) => file);
  expect(
    of(/^node:|^(?:h3|nitro|workflow)(?:\/|$)/).filter((file) => /^(?:core|types)\//.test(file)),
  ).toEqual([]);
  expect(of(/^#orchestrator\/virtual\//)).toEqual([
    "runtime/context.ts",
    "runtime/host.ts",
    "runtime/runner-handler.ts",
  ]);
});

test("no file imports itself in a circle", () => {
  const circles: string[] = [];
  const visit = (file: string, path: string[]): void => {
    if (path.includes(file)) {
      circles.push([...path.slice(path.indexOf(file)), file].join(" → "));
      return;
    }
    if (done.has(file)) return;
    for (const { target, typeOnly } of graph.get(file) ?? []) {
      if (local(target) && !typeOnly) visit(target, [...path, file]);
    }
    done.add(file);
  };
  const done = new Set<string>();
  for (const file of files) visit(file, []);
  expect(circles).toEqual([]);
});

test("what authors import in a workflow pulls in nothing of Node", async () => {
  const seen = new Set<string>();
  const packages = new Set<string>();
  const visit = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    for (const { target, typeOnly } of graph.get(file) ?? []) {
      if (typeOnly) continue;
      if (local(target)) visit(target);
      else packages.add(target);
    }
  };
  visit("index.workflow.ts");
  expect([...packages]).toEqual([]);
});
