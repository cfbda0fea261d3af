import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const nitro = join(root, "node_modules/nitro/dist/cli/index.mjs");

/** Writes an app with the built package into a folder of its own; `remove` takes it away again. */
export async function createApp(files) {
  await mkdir(join(root, ".tmp"), { recursive: true });
  const dir = await mkdtemp(join(root, ".tmp/bench-"));
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
    build: () => run([nitro, "build"], dir),
    start: () =>
      serve([join(dir, ".output/server/index.mjs")], dir, { PORT: "0", HOST: "127.0.0.1" }),
    dev: () => serve([nitro, "dev", "--port", "0", "--host", "127.0.0.1"], dir),
    remove: () => rm(dir, { recursive: true, force: true }),
  };
}

function start(args, cwd, env) {
  const { CI: _ci, TEST: _test, ...inherited } = process.env;
  return spawn(process.execPath, args, {
    cwd,
    env: { ...inherited, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

function run(args, cwd) {
  return new Promise((resolve, reject) => {
    const child = start(args, cwd, {});
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk) => (output += chunk));
    child.on("close", (code) => (code === 0 ? resolve() : reject(new Error(output))));
  });
}

function serve(args, cwd, env = {}) {
  return new Promise((resolve, reject) => {
    const child = start(args, cwd, env);
    let output = "";
    const stop = () =>
      new Promise((stopped) => {
        child.once("close", stopped);
        child.kill("SIGKILL");
      });
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk) => {
        output += chunk;
        const port = output.match(/Listening on:? .*?:(\d+)\//)?.[1];
        if (port) resolve({ url: `http://127.0.0.1:${port}`, stop });
      });
    }
    child.once("close", () => reject(new Error(`the server ended:\n${output}`)));
  });
}
