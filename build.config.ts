import { type BuildConfig, defineBuildConfig } from "obuild/config";

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
});

export default config;
