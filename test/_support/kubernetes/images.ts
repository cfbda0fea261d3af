import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { root } from "../app.ts";
import type { Image } from "./kubelet.ts";

/** Images, and how to be rid of what they are made of. */
export interface TestImages {
  images: Record<string, Image>;
  remove(): void;
}

/** Images whose entry point is the `orchestrator` command as it is in `src/`, bundled now. */
export async function commandImages(): Promise<TestImages> {
  // Below the repository, so that it finds its packages.
  mkdirSync(join(root, ".tmp"), { recursive: true });
  const folder = mkdtempSync(join(root, ".tmp/command-"));
  const command = join(folder, "orchestrator.mjs");
  await build({
    entryPoints: [join(root, "src/cli/orchestrator.ts")],
    outfile: command,
    bundle: true,
    platform: "node",
    format: "esm",
    packages: "external",
    logLevel: "warning",
  });
  const runners = join(root, "test/_support/kubernetes/runners.mjs");
  const entrypoint = [process.execPath, command];
  const images = {
    // As `FROM` ours with a `runners.mjs` in the folder that it works in.
    "checks:1": { entrypoint, cmd: ["serve"], cwd: join(runners, "..") },
    "checks:2": { entrypoint, cmd: ["serve"], cwd: join(runners, "..") },
    "exits:1": { entrypoint: [process.execPath, "-e", "process.exit(7)"], cwd: root },
  };
  return { images, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
