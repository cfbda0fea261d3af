import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type BuildConfig, defineBuildConfig } from "obuild/config";
import { bundleOwnWorkflows } from "./scripts/own-workflows.ts";

const config: BuildConfig = defineBuildConfig({
  entries: [
    // Everything that runs in a user's server stays file by file, so that a bundler can drop what
    // it does not need and directives keep a line of their own.
    {
      type: "transform",
      input: "./src",
      outDir: "./dist",
      filter: (path: string) =>
        !/^(build\/|nitro\.ts|config\.ts)/.test(path.replace(/^.*\/src\//, "")),
    },
    { type: "bundle", input: "./src/nitro.ts" },
  ],
  hooks: {
    async end({ pkgDir }) {
      const file = join(pkgDir, "dist/runtime/workflows/script.mjs");
      await writeFile(file, await bundleOwnWorkflows());
    },
  },
});

export default config;
