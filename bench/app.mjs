import { mkdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { folder, root, start } from "./scratch.mjs";

const nitro = join(root, "node_modules/nitro/dist/cli/index.mjs");

/** Writes an app with the built package into a folder of its own, which goes with the bench. */
export async function createApp(files) {
  const dir = await folder("app");
  const all = {
    "package.json": JSON.stringify({ name: "bench-app", version: "1.0.0", type: "module" }),
    "tsconfig.json": "{}",
    "nitro.config.ts": `import { defineConfig } from "nitro";
import orchestrator from "@runners/orchestrator/nitro";
export default defineConfig({ modules: [orchestrator], buildDir: ".nitro" });
`,
    ...files,
  };
  for (const [path, contents] of Object.entries(all)) {
    await mkdir(dirname(join(dir, path)), { recursive: true });
    await writeFile(join(dir, path), contents);
  }
  await mkdir(join(dir, "node_modules/@runners"), { recursive: true });
  await symlink(root, join(dir, "node_modules/@runners/orchestrator"), "dir");
  return {
    dir,
    build: () => start(process.execPath, [nitro, "build"], { cwd: dir }),
    /** Starts the built server; `cwd` is where it keeps its data unless `env` says otherwise. */
    start: ({ cwd = dir, env } = {}) =>
      serve([join(dir, ".output/server/index.mjs")], cwd, {
        PORT: "0",
        HOST: "127.0.0.1",
        ...env,
      }),
    dev: () => serve([nitro, "dev", "--port", "0", "--host", "127.0.0.1"], dir),
  };
}

async function serve(args, cwd, env = {}) {
  const { match, pid, stop } = await start(process.execPath, args, {
    cwd,
    env: { NO_COLOR: "1", ...env },
    ready: /Listening on:? .*?:(\d+)\//,
    endWith: "SIGKILL",
  });
  return { url: `http://127.0.0.1:${match[1]}`, pid, stop };
}
