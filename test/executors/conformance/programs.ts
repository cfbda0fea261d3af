import { rmSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { root } from "../../_support/app.ts";
import { type Running, startNode } from "../../_support/process.ts";
import type { TestWorker } from "./fixture.ts";

const folders = new Set<string>();

// A test file that fails half-way must not leave its programs behind.
process.on("exit", () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** Bundles a program of this folder, below the repository, so that it finds its packages. */
export async function bundleProgram(name: string): Promise<string> {
  await mkdir(join(root, ".tmp"), { recursive: true });
  const folder = await mkdtemp(join(root, ".tmp", `${name}-`));
  folders.add(folder);
  const outfile = join(folder, "program.mjs");
  await build({
    entryPoints: [fileURLToPath(new URL(`${name}.ts`, import.meta.url))],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    packages: "external",
  });
  return outfile;
}

/** Removes a bundled program. */
export function removeProgram(program: string): Promise<void> {
  return rm(dirname(program), { recursive: true, force: true });
}

/** Starts a bundled program with options, as JSON, and waits until it prints that it is ready. */
export async function startProgram(
  program: string,
  options: unknown,
  ready: RegExp,
): Promise<TestWorker & { match: RegExpMatchArray }> {
  const running: Running = startNode([program, JSON.stringify(options)], tmpdir());
  const match = await running.printed(ready, 20_000);
  return {
    match,
    output: running.output,
    stop: () => running.stop("SIGTERM"),
    kill: () => running.stop("SIGKILL"),
  };
}
