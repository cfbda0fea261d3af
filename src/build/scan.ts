import { readFile, stat } from "node:fs/promises";
import fg from "fast-glob";
import { dirname, extname, join, parse, relative } from "pathe";
import {
  readDirectives,
  type DirectedFunction,
  type DirectiveName,
  type FileDirectives,
} from "./directives.ts";
import { type Problem } from "./problem.ts";

/** A function found under one of the patterns, with where it is defined and what stands beside it. */
export interface Discovered extends DirectedFunction {
  /** The name it goes by: the export's, or the file's in camel case for an anonymous default export. */
  name: string;
  /** File that defines it, from the root, with forward slashes. */
  file: string;
  /** Names that can be imported beside it, and from which file. */
  siblings: Map<string, string>;
}

/** What a scan found; problems do not keep the rest from being listed. */
export interface ScanResult {
  found: Discovered[];
  problems: Problem[];
}

/** Names below which something of ours is served. */
const taken: ReadonlySet<string> = new Set(["docs", "orchestrator", "run", "runs"]);

const SOURCE_EXTENSIONS = [".ts", ".mts", ".tsx", ".js", ".mjs", ".jsx"];

/** Finds every exported function with the directive under the patterns, sorted by name. */
export async function scan(
  root: string,
  patterns: readonly string[],
  directive: DirectiveName,
): Promise<ScanResult> {
  const files = await fg([...patterns], {
    cwd: root,
    ignore: ["**/node_modules/**", "**/*.d.ts", "**/*.d.mts", "**/.{nitro,output,git}/**"],
  });
  const reader = new FileReader(root, directive);
  const result: ScanResult = { found: [], problems: [] };
  for (const file of files.toSorted()) {
    for (const [exportName, found] of await reader.exportsOf(file)) {
      addUnique(result, { ...found, name: servedName(exportName, found) });
    }
  }
  if (directive === "use workflow") result.problems.push(...result.found.flatMap(takenName));
  result.problems.push(...reader.problems);
  result.found.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  result.problems.sort((a, b) => (a.file === b.file ? a.line - b.line : a.file < b.file ? -1 : 1));
  return result;
}

/** The served name: an anonymous default export goes by its file's name, `index` by its folder's. */
function servedName(exportName: string, found: Omit<Discovered, "name">): string {
  if (exportName !== "default") return exportName;
  if (found.binding !== "default") return found.binding;
  const { name, dir } = parse(found.file);
  return camelCase(name === "index" ? parse(dir).name : name);
}

function camelCase(text: string): string {
  return text.replaceAll(/[^A-Za-z0-9$_]+(.)?/g, (_, next?: string) => next?.toUpperCase() ?? "");
}

/** The same function seen through two files is one; two functions of one name are a problem. */
function addUnique(result: ScanResult, entry: Discovered): void {
  const same = result.found.find((other) => other.name === entry.name);
  if (!same) {
    result.found.push(entry);
  } else if (same.file !== entry.file || same.binding !== entry.binding) {
    result.problems.push({
      file: entry.file,
      line: entry.line,
      column: 1,
      message: `the name "${entry.name}" is taken by ${same.file}:${same.line}`,
      mend: "Rename one of the two exports: the name is the route.",
    });
  }
}

/** A workflow would never be reached under a path that is ours. */
function takenName({ name, file, line }: Discovered): Problem[] {
  if (!taken.has(name)) return [];
  const message = `the name "${name}" is taken by @runners/orchestrator, which serves its own under it`;
  return [{ file, line, column: 1, message, mend: "Rename the export: the name is the route." }];
}

/** Parses files once and follows re-exports to the file that defines a function. */
class FileReader {
  readonly #root: string;
  readonly #directive: DirectiveName;
  readonly #files = new Map<string, Promise<FileDirectives>>();
  readonly problems: Problem[] = [];

  constructor(root: string, directive: DirectiveName) {
    this.#root = root;
    this.#directive = directive;
  }

  /** The directed functions a file exports, its own and re-exported ones, by export name. */
  async exportsOf(
    file: string,
    path: readonly string[] = [],
  ): Promise<Map<string, Omit<Discovered, "name">>> {
    const { functions, exports } = await this.#read(file);
    const siblings = new Map(
      [...exports.functions.keys(), ...exports.values].map((name) => [name, file]),
    );
    const found = new Map<string, Omit<Discovered, "name">>();
    for (const fn of functions) found.set(fn.exportName, { ...fn, file, siblings });
    if (path.includes(file)) return found;
    for (const { imported, exported, source } of exports.reexports) {
      const target = await this.#resolve(file, source);
      if (!target) continue;
      const origin = (await this.exportsOf(target, [...path, file])).get(imported);
      if (origin)
        found.set(exported, { ...origin, siblings: new Map([...origin.siblings, ...siblings]) });
      else siblings.set(exported, file);
    }
    for (const source of exports.stars) {
      const target = await this.#resolve(file, source);
      if (!target) continue;
      for (const [name, origin] of await this.exportsOf(target, [...path, file])) {
        if (name !== "default" && !found.has(name)) found.set(name, origin);
      }
    }
    return found;
  }

  #read(file: string): Promise<FileDirectives> {
    const known = this.#files.get(file);
    if (known) return known;
    const reading = this.#parse(file);
    this.#files.set(file, reading);
    return reading;
  }

  async #parse(file: string): Promise<FileDirectives> {
    const source = await readFile(join(this.#root, file), "utf8");
    const read = readDirectives(source, file, this.#directive);
    this.problems.push(...read.problems);
    return read;
  }

  /** The sibling file a relative specifier means; packages and aliases are not followed. */
  async #resolve(importer: string, specifier: string): Promise<string | undefined> {
    if (!specifier.startsWith(".")) return undefined;
    const base = join(this.#root, dirname(importer), specifier);
    const stem = /^\.[mc]?js$/.test(extname(base)) ? base.slice(0, -extname(base).length) : base;
    const candidates = [
      base,
      ...SOURCE_EXTENSIONS.map((ext) => `${stem}${ext}`),
      ...SOURCE_EXTENSIONS.map((ext) => `${base}/index${ext}`),
    ];
    const areFiles = await Promise.all(candidates.map(isFile));
    const target = candidates.find((_path, index) => areFiles[index]);
    return target && relative(this.#root, target);
  }
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}
