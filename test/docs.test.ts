import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseSync } from "oxc-parser";
import { describe, expect, test } from "vitest";
import { resolveConfig } from "../src/config.ts";

const root = fileURLToPath(new URL("../", import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const readme = read("README.md");
const manifest = JSON.parse(read("package.json")) as {
  version: string;
  scripts: Record<string, string>;
};
const sources = filesBelow("src").map((path) => ({ path, text: read(path) }));

describe("README.md", () => {
  test("opens with its two commands, which are scripts", () => {
    const blocks = [...readme.matchAll(/^```\w*\n(.*?)^```$/gms)].map(([, code]) => code!.trim());
    expect(blocks.slice(0, 2)).toEqual(["npm ci && npm run demo", "npm ci && npm test"]);
    expect(Object.keys(manifest.scripts)).toEqual(expect.arrayContaining(["demo", "test"]));
  });

  test("names every script it mentions as package.json has it", () => {
    const mentioned = [...`${readme}${read("AGENTS.md")}`.matchAll(/npm run ([\w:]+)/g)];
    expect(mentioned.length).toBeGreaterThan(0);
    for (const [, script] of mentioned) expect(Object.keys(manifest.scripts)).toContain(script);
  });

  test("lists the environment variables that the source reads, and no others as ours", () => {
    const rows = rowsBelow("Environment variables").map(([names, reader]) => ({
      names: codesIn(names!),
      ours: reader!.includes("this package"),
      reader: reader!,
    }));
    const named = (wanted: (row: (typeof rows)[number]) => boolean): string[] =>
      rows.filter(wanted).flatMap(({ names }) => names);
    const ours = variablesOf(sources.map(({ text }) => text).join("\n"));
    expect(named(({ ours }) => ours).toSorted()).toEqual(ours.read.toSorted());
    // What only others read is in the README because we set it or because we tell of it.
    const engine = named(({ reader }) => reader.includes("engine"));
    expect(engine).toEqual(expect.arrayContaining(ours.written));
    for (const name of engine) expect(engineReads(name), name).toBe(true);
  });

  test("lists every option with the default that resolveConfig fills in", () => {
    const shown = new Map(
      rowsBelow("Options").map(([option, value]) => [codesIn(option!)[0]!, value!]),
    );
    const resolved = resolveConfig({}, root);
    const served = resolveConfig({ runners: {} }, root);
    const expected = new Map(
      optionPaths().map((path) => [path, defaultOf(path, path === "runners" ? resolved : served)]),
    );
    expect(Object.fromEntries(shown)).toEqual(Object.fromEntries(expected));
  });

  test("documents every error code, once", () => {
    const codes = rowsBelow("Errors").map(([code]) => codesIn(code!)[0]);
    expect(codes.toSorted()).toEqual(unionOf("src/core/errors.ts", "ErrorCode"));
  });

  test("documents every error code of the runner API with its status", () => {
    const rows = rowsBelow("HTTP API").filter(([code]) => /^`[A-Z_]+`$/.test(code!));
    const codes = rows.map(([code]) => codesIn(code!)[0]);
    expect(codes.toSorted()).toEqual(unionOf("src/runner/contract.ts", "RunnerErrorCode"));
    const refusals = read("src/runner/refusal.ts");
    for (const [code, status] of rows) {
      expect(refusals).toContain(`${codesIn(code!)[0]}: [${status},`);
    }
  });

  test("has a row for every status that the HTTP API answers", () => {
    const text = sources
      .filter(({ path }) => path.startsWith("src/http/"))
      .map((source) => source.text)
      .join("\n");
    const answered = [...text.matchAll(/HttpProblem\(\s*(\d{3})|status: (\d{3})/g)].map(
      ([, problem, status]) => problem ?? status!,
    );
    const documented = new Set(rowsBelow("HTTP API").map(([, status]) => status));
    expect(answered.length).toBeGreaterThan(8);
    for (const status of [...answered, "200"]) expect([...documented]).toContain(status);
  });

  test("lists every load balancer, and every link to a heading of its own leads somewhere", () => {
    const types = rowsBelow("Runner servers").map(([type]) => codesIn(type!)[0]!);
    expect(types).toEqual(
      expect.arrayContaining(unionOf("src/types/registry-config.ts", "LoadBalancerType")),
    );
    const anchors = [...readme.matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
      heading!
        .toLowerCase()
        .replaceAll(/[^\w\- ]/g, "")
        .replaceAll(" ", "-"),
    );
    for (const [, anchor] of readme.matchAll(/\]\(#([^)]+)\)/g)) expect(anchors).toContain(anchor);
    for (const [, file] of readme.matchAll(/\]\(([\w./-]+)\)/g)) {
      expect(existsSync(join(root, file!)), file).toBe(true);
    }
  });
});

describe("AGENTS.md", () => {
  const tree = treeOf(/^## Files\n+```\w*\n(.*?)^```$/ms.exec(read("AGENTS.md"))![1]!);

  test("lists every file under src/ exactly once, each with a line, and nothing else", () => {
    const listed = tree.filter(({ path }) => path.startsWith("src/") && !path.endsWith("/"));
    expect(listed.map(({ path }) => path).toSorted()).toEqual(filesBelow("src"));
    expect(listed.filter(({ line }) => line === "")).toEqual([]);
  });

  test("lists folders that are there, and each of test/ and playground/ that has files", () => {
    const folders = tree.filter(({ path }) => path.endsWith("/")).map(({ path }) => path);
    expect(folders.filter((path) => !existsSync(join(root, path)))).toEqual([]);
    for (const parent of ["test", "playground"]) {
      const there = readdirSync(join(root, parent), { withFileTypes: true })
        .filter((entry) => entry.isDirectory() && !entry.name.startsWith("."))
        .map(({ name }) => `${parent}/${name}`)
        .filter((path) => filesBelow(path).length > 0);
      expect(folders).toEqual(expect.arrayContaining(there.map((path) => `${path}/`)));
    }
  });
});

test("CHANGELOG.md has the package's version, with a date, on top", () => {
  const [, version] = /^## \[(.+?)\] - \d{4}-\d{2}-\d{2}$/m.exec(read("CHANGELOG.md"))!;
  expect(version).toBe(manifest.version);
});

/** Paths of the files below a folder, from the root. */
function filesBelow(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length).replaceAll("\\", "/"))
    .toSorted();
}

/** The cells of all table rows in a section of the README. */
function rowsBelow(section: string): string[][] {
  const [, text] = new RegExp(`^## ${section}$(.*?)(?=^## |$(?![^]))`, "ms").exec(readme)!;
  const lines = text!.split("\n");
  return lines
    .filter((line, index) => line.startsWith("| ") && ![line, lines[index + 1]].some(isRule))
    .map((line) => line.slice(1, -1).split("|"))
    .map((cells) => cells.map((cell) => cell.trim()));
}

/** Whether a line is the one below a table's head. */
function isRule(line: string | undefined): boolean {
  return line !== undefined && line.startsWith("| -");
}

/** The code spans of a cell. */
function codesIn(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, code]) => code!);
}

/** The environment variables a source reads and those it only sets, in each way it is done here. */
function variablesOf(source: string): { read: string[]; written: string[] } {
  const constants = new Map(
    [...source.matchAll(/^const (\w+) = "([A-Z_]+)";$/gm)].map(([, name, value]) => [name, value]),
  );
  const direct = [...source.matchAll(/\benv\.([A-Z][A-Z0-9_]+)( = )?/g)];
  const computed = [...source.matchAll(/\benv\[(\w+)\]/g)].map(([, name]) => constants.get(name)!);
  const unpacked = [...source.matchAll(/^\s*const \{([^}]+)\} = process\.env;/gm)].flatMap(
    ([, names]) =>
      names!.split(",").map((part) => part.split(/:\s/)[0]!.replaceAll('"', "").trim()),
  );
  const written = direct.filter(([, , set]) => set).map(([, name]) => name!);
  const plain = direct.filter(([, , set]) => !set).map(([, name]) => name!);
  return { read: [...new Set([...plain, ...computed, ...unpacked])], written };
}

/** Whether one of the engine's packages reads a variable. */
function engineReads(name: string): boolean {
  const scope = join(root, "node_modules/@workflow");
  const packages = ["core", "utils", "world-local", "world-postgres"].map((one) =>
    join(scope, one, "dist"),
  );
  return packages.filter(existsSync).some((folder) =>
    readdirSync(folder, { withFileTypes: true, recursive: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith(".js"))
      .some((entry) => readFileSync(join(entry.parentPath, entry.name), "utf8").includes(name)),
  );
}

/** Paths of all options: the members of `OrchestratorConfig` and of the interfaces they refer to. */
function optionPaths(): string[] {
  const sources = ["src/types/config.ts", "src/types/registry-config.ts"].map(read);
  const { program } = parseSync("config.ts", sources.join("\n"));
  const members = new Map<string, { name: string; types: string[] }[]>();
  const aliases = new Map<string, string[]>();
  const namesIn = (type: unknown): string[] =>
    [...JSON.stringify(type).matchAll(/"name":"(\w+)"/g)].map(([, name]) => name!);
  for (const statement of program.body) {
    if (statement.type !== "ExportNamedDeclaration") continue;
    const { declaration } = statement;
    if (declaration?.type === "TSTypeAliasDeclaration") {
      aliases.set(declaration.id.name, namesIn(declaration.typeAnnotation));
    }
    if (declaration?.type !== "TSInterfaceDeclaration") continue;
    const own = declaration.body.body.flatMap((member) => {
      if (member.type !== "TSPropertySignature" || member.key.type !== "Identifier") return [];
      // What tells the forms of a union apart is no option.
      if (member.key.name === "type") return [];
      return [{ name: member.key.name, types: namesIn(member.typeAnnotation) }];
    });
    members.set(declaration.id.name, own);
  }
  const pathsOf = (type: string): string[] => {
    // A list of servers is written out elsewhere: it is one way to say what `registry` is.
    if (type.endsWith("RegistryConfig")) return [];
    const alias = (aliases.get(type) ?? []).flatMap(pathsOf);
    const own = (members.get(type) ?? []).flatMap(({ name, types }) => {
      const nested = types.flatMap(pathsOf).map((path) => `${name}.${path}`);
      // A group that is always on is no option by itself.
      const isGroup = [
        "callbacks",
        "circuit",
        "execution",
        "executors",
        "postgres",
        "redis",
        "retention",
        "shutdown",
      ].includes(name);
      return isGroup ? nested : [name, ...nested];
    });
    return [...alias, ...own];
  };
  return pathsOf("OrchestratorConfig");
}

/** A default as the README writes it. */
function defaultOf(path: string, options: object): string {
  const value = path
    .split(".")
    .reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], options);
  const type = (value as { type?: unknown } | undefined)?.type;
  if (value === undefined || type === "env") return "from the environment";
  if (typeof type === "string") return `\`${JSON.stringify(type)}\``;
  if (typeof value === "object" && !Array.isArray(value)) return "on";
  return `\`${JSON.stringify(value).replaceAll(",", ", ")}\``;
}

/** The members of an exported union of strings, sorted. */
function unionOf(path: string, name: string): string[] {
  const [, union] = new RegExp(`export type ${name} =([^;]+);`).exec(read(path))!;
  return [...union!.matchAll(/"([\w-]+)"/g)].map(([, member]) => member!).toSorted();
}

/** Paths and their lines from a tree that is indented by two spaces a level. */
function treeOf(text: string): { path: string; line: string }[] {
  const parents: string[] = [];
  return text
    .split("\n")
    .filter(Boolean)
    .map((row) => {
      const [, indent, name, line] = /^( *)(\S+)\s*(.*)$/.exec(row)!;
      parents.length = indent!.length / 2;
      const path = parents.join("") + name!;
      parents.push(name!);
      return { path, line: line! };
    });
}
