import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { root, type TestServer, workDir } from "./app.ts";
import { runNode, type Running, startNode } from "./process.ts";

/** The `orchestrator` command as it is built. */
export const cli: string = join(root, "dist/cli/orchestrator.mjs");

/** Starts `orchestrator serve` on a free port, in a folder of its own unless one is given. */
export async function startService(
  options: { cwd?: string; args?: string[]; env?: Record<string, string> } = {},
): Promise<TestServer> {
  const running = await beginService(options);
  const [, port] = await running.printed(/Listening on http:\/\/.+:(\d+)\//);
  return { ...running, url: `http://127.0.0.1:${port}` };
}

/** Starts it, and does not wait until it has started. */
export async function beginService(
  options: { cwd?: string; args?: string[]; env?: Record<string, string> } = {},
): Promise<Running> {
  const { cwd = workDir(), args = [], env = {} } = options;
  await mkdir(cwd, { recursive: true });
  // Tests ask more of it than a client may.
  const limits = { RATE_LIMIT_MAX: "1000000" };
  return startNode([cli, "serve", "--port", "0", ...args], cwd, { ...limits, ...env });
}

/** Runs the command to its end. */
export async function runCli(
  args: string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<{ code: number | null; output: string }> {
  const { cwd = workDir(), env } = options;
  await mkdir(cwd, { recursive: true });
  return runNode([cli, ...args], cwd, env);
}

/** Puts the engine's local World into a package `slow-world` that a server in this folder finds; it starts when there is a file `go`. */
export async function slowWorld(cwd: string): Promise<void> {
  const folder = join(cwd, "node_modules/slow-world");
  await mkdir(folder, { recursive: true });
  await writeFile(
    join(folder, "index.cjs"),
    `const { existsSync } = require("node:fs");
const { createLocalWorld } = require("@workflow/world-local");
exports.createWorld = () => {
  const { registerHandler: _, ...world } = createLocalWorld();
  const start = async () => {
    while (!existsSync("go")) await new Promise((resolve) => setTimeout(resolve, 20));
  };
  return { ...world, start };
};
`,
  );
  const manifest = { name: "slow-world", version: "1.0.0", main: "index.cjs" };
  await writeFile(join(folder, "package.json"), JSON.stringify(manifest));
}
