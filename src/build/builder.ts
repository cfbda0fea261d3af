import { mkdir, readFile, writeFile } from "node:fs/promises";
import { build, type Plugin } from "esbuild";
import { dirname, join, normalize } from "pathe";
import type { WorkflowEntry } from "../types/manifest.ts";
import { DiscoveryError, formatProblem, type Problem } from "./problem.ts";
import { scan, type Discovered } from "./scan.ts";

/** What a builder needs to know of the app. */
export interface BuilderOptions {
  /** The app's root. */
  rootDir: string;
  /** Nitro's build folder; the engine's manifest is in its `workflow/`. */
  buildDir: string;
  patterns: readonly string[];
  /** Where a workflow the engine overlooks is reported. */
  warn: (message: string) => void;
}

/** Turns workflow files into `orchestrators/orchestrators.mjs`: the manifest and the input schemas, no workflow code. */
export class OrchestratorBuilder {
  readonly #options: BuilderOptions;
  readonly #warned = new Set<string>();
  /** The file it writes. */
  readonly outfile: string;

  constructor(options: BuilderOptions) {
    this.#options = options;
    this.outfile = join(options.buildDir, "orchestrators/orchestrators.mjs");
  }

  /** Finds the workflows; throws a `DiscoveryError` with every fault found. */
  async scan(): Promise<Discovered[]> {
    const { found, problems } = await scan(
      this.#options.rootDir,
      this.#options.patterns,
      "use workflow",
    );
    if (problems.length > 0) throw new DiscoveryError(problems);
    return found;
  }

  /**
   * Writes the bundle of what `scan` found; the same tree gives the same bytes.
   *
   * @param options.final whether the engine's builder has run, so that what it lacks is worth a warning
   */
  async write(
    found: readonly Discovered[],
    { final = true }: { final?: boolean } = {},
  ): Promise<WorkflowEntry[]> {
    const ids = await readEngineIds(join(this.#options.buildDir, "workflow/manifest.json"));
    const workflows = found.map((entry) =>
      toEntry(entry, ids.get(`${entry.file}#${entry.binding}`)),
    );
    for (const [index, entry] of workflows.entries()) {
      if (!entry.workflowId && final) this.#warnOverlooked(found[index]!);
    }
    // Before bundling, which looks from there for what it may leave outside.
    await mkdir(dirname(this.outfile), { recursive: true });
    await writeIfChanged(this.outfile, await this.#bundle(found, workflows));
    return workflows;
  }

  async build(): Promise<WorkflowEntry[]> {
    return this.write(await this.scan());
  }

  #warnOverlooked(entry: Discovered): void {
    const problem: Problem = {
      file: entry.file,
      line: entry.line,
      column: 1,
      message: `the engine does not compile the workflow "${entry.name}", so it cannot be started`,
      mend: mendOf(entry),
    };
    const message = formatProblem(problem);
    // In dev every save builds again; once is enough.
    if (this.#warned.has(message)) return;
    this.#warned.add(message);
    this.#options.warn(message);
  }

  async #bundle(found: readonly Discovered[], workflows: WorkflowEntry[]): Promise<string> {
    const withInput = found.flatMap((entry, index) => {
      const input = inputOf(entry);
      return input ? [{ ...input, entry, local: `input${index}` }] : [];
    });
    const contents = [
      ...withInput.map(
        ({ exportName, file, local }) =>
          `import { ${exportName} as ${local} } from ${JSON.stringify(`./${file}`)};`,
      ),
      `export const workflows = ${JSON.stringify(workflows, null, 2)};`,
      `export const inputs = {${withInput.map((i) => `${JSON.stringify(i.entry.name)}: ${i.local}`).join(", ")}};`,
    ].join("\n");
    const result = await build({
      stdin: {
        contents,
        resolveDir: this.#options.rootDir,
        sourcefile: "orchestrators.ts",
        loader: "ts",
      },
      absWorkingDir: this.#options.rootDir,
      bundle: true,
      write: false,
      format: "esm",
      platform: "node",
      target: "es2022",
      treeShaking: true,
      logLevel: "silent",
      plugins: [externalPackages(this.outfile)],
    });
    return result.outputFiles[0]!.text;
  }
}

/** Leaves packages to the app's own bundler, and drops the imports nothing of the manifest uses. */
function externalPackages(outfile: string): Plugin {
  return {
    name: "orchestrator:external-packages",
    setup({ onResolve, resolve }) {
      onResolve({ filter: /.*/ }, async ({ path, kind, resolveDir, importer, pluginData }) => {
        if (kind === "entry-point" || pluginData === resolving) return undefined;
        const from = { kind, importer, pluginData: resolving };
        const found = await resolve(path, { ...from, resolveDir });
        if (isBareSpecifier(path)) {
          // Only what the output finds by itself may stay outside: not a workspace package's own dependency.
          const again = await resolve(path, { ...from, resolveDir: dirname(outfile) });
          const inPackages = normalize(found.path).includes("/node_modules/") || found.external;
          const unknown = found.errors.length > 0;
          if (unknown || (inPackages && again.path === found.path)) {
            return { path, external: true, sideEffects: false };
          }
        }
        if (found.errors.length > 0) return { errors: found.errors };
        return { path: found.path, external: found.external, sideEffects: false };
      });
    },
  };
}

/** Marks our own look-ups, which must not come back to us. */
const resolving = Symbol("resolving");

function isBareSpecifier(path: string): boolean {
  return !/^\.{0,2}\//.test(path) && !/^[A-Za-z]:[\\/]/.test(path);
}

/** Ids the engine's queue takes; with any other a run is stored and never starts. */
const queueable = /^[\w\-./@()[\]]+$/;

function toEntry(entry: Discovered, workflowId: string | undefined): WorkflowEntry {
  return {
    name: entry.name,
    ...(workflowId && queueable.test(workflowId) && { workflowId }),
    file: entry.file,
    line: entry.line,
    ...(entry.description && { description: entry.description }),
    parameters: entry.parameters,
    accepts: entry.accepts,
  };
}

/** What would make the engine compile a workflow it overlooks. */
function mendOf({ file, binding, ownLine }: Discovered): string {
  if (!queueable.test(`${file}//${binding}`)) {
    return "Rename its file or function: the engine takes letters and digits of ASCII, and _ - . / @ ( ) [ ].";
  }
  if (!ownLine) return "Put 'use workflow' on a line of its own.";
  return "It compiles plain functions only, without parentheses, `as` or `satisfies` around them, in the folders of `workflow.dirs` (the app's root by default).";
}

/** The input schema's export, by the served name or by the name the workflow has where it is defined. */
function inputOf(entry: Discovered): { exportName: string; file: string } | undefined {
  for (const name of [entry.name, entry.exportName, entry.binding]) {
    const file = entry.siblings.get(`${name}Input`);
    if (file) return { exportName: `${name}Input`, file };
  }
  return undefined;
}

/** The engine's workflow ids by `file#binding`, from the manifest its builder writes. */
async function readEngineIds(path: string): Promise<Map<string, string>> {
  // In dev there is none until the engine's first build has succeeded.
  const text = await readFile(path, "utf8").catch(() => "{}");
  const manifest = JSON.parse(text) as {
    workflows?: Record<string, Record<string, { workflowId: string }>>;
  };
  return new Map(
    Object.entries(manifest.workflows ?? {}).flatMap(([file, entries]) =>
      Object.values(entries).flatMap(({ workflowId }): [string, string][] => [
        // The id's last part is the function's own name; the manifest's key is `default` for a named default export.
        [`${file}#${workflowId.split("//").at(-1)}`, workflowId],
      ]),
    ),
  );
}

/** An unchanged file keeps its time, by which dev notices a change. */
async function writeIfChanged(path: string, contents: string): Promise<void> {
  const current = await readFile(path, "utf8").catch(() => undefined);
  if (current !== contents) await writeFile(path, contents);
}
