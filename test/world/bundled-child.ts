import { mkdir, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { afterAll, beforeAll } from "vitest";

/** Bundles a program of this folder, or of any at a URL, before the tests of a file, in a folder that goes after them. */
export function bundledChild(source: string | URL): { dir: string; child: string } {
  const root = fileURLToPath(new URL("../../", import.meta.url));
  // Below the repository, where the bundle finds its packages.
  const dir = join(root, ".tmp", `${basename(String(source), ".ts")}-${process.pid}`);
  const child = join(dir, "child.mjs");
  beforeAll(async () => {
    await mkdir(dir, { recursive: true });
    await build({
      entryPoints: [fileURLToPath(new URL(source, import.meta.url))],
      outfile: child,
      bundle: true,
      format: "esm",
      platform: "node",
      target: "node20",
      packages: "external",
      logLevel: "error",
    });
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));
  return { dir, child };
}
