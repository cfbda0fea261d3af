import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { runDir } from "../../_support/app.ts";
import { type Running, startNode } from "../../_support/process.ts";
import type { TestWorker } from "./fixture.ts";

/** Bundles a program of this folder, below the repository, so that it finds its packages. */
export async function bundleProgram(name: string): Promise<string> {
  const folder = join(runDir(), "programs");
  await mkdir(folder, { recursive: true });
  const outfile = join(folder, `${name}.mjs`);
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

/** Starts a bundled program with options, as JSON, and waits until it prints that it is ready. */
export async function startProgram(
  program: string,
  options: unknown,
  ready: RegExp,
): Promise<TestWorker & { match: RegExpMatchArray }> {
  const running: Running = startNode([program, JSON.stringify(options)], runDir());
  const match = await running.printed(ready, 20_000);
  return {
    match,
    output: running.output,
    stop: () => running.stop("SIGTERM"),
    kill: () => running.stop("SIGKILL"),
  };
}
