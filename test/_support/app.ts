import { randomUUID } from "node:crypto";
import { cp, mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Running, runNode, startNode } from "./process.ts";

/** The repository. */
export const root: string = fileURLToPath(new URL("../../", import.meta.url));

/** Where this run's apps and data lie: below the repository, so that they find its packages. */
export function runDir(): string {
  // Test workers inherit it, so that two runs of the tests do not get in each other's way.
  process.env.ORCHESTRATOR_TEST_DIR ??= join(root, ".tmp", `run-${process.pid}`);
  return process.env.ORCHESTRATOR_TEST_DIR;
}

const nitroCli = join(root, "node_modules/nitro/dist/cli/index.mjs");

/** A Nitro app in a folder of its own, below the repository, whose packages it finds. */
export interface TestApp {
  dir: string;
  build(env?: Record<string, string>): Promise<{ code: number | null; output: string }>;
  dev(env?: Record<string, string>): Promise<TestServer>;
  remove(): Promise<void>;
}

/** A running server. */
export interface TestServer extends Running {
  /** Base URL on loopback, without a trailing slash. */
  url: string;
}

/** Writes an app; `files` are by path from its root, `from` is a folder copied first. */
export async function createApp(options: {
  files?: Record<string, string>;
  from?: string;
  /** False for an app that brings its own copy of the package. */
  linked?: boolean;
}): Promise<TestApp> {
  const dir = join(runDir(), `app-${randomUUID()}`);
  await mkdir(dir, { recursive: true });
  if (options.from) await cp(options.from, dir, { recursive: true });
  const files: Record<string, string> = {
    "package.json": JSON.stringify({
      name: "test-app",
      version: "1.0.0",
      type: "module",
      private: true,
    }),
    "tsconfig.json": "{}",
    ...options.files,
  };
  for (const [path, contents] of Object.entries(files)) {
    await mkdir(dirname(join(dir, path)), { recursive: true });
    await writeFile(join(dir, path), contents);
  }
  if (options.linked !== false) {
    await mkdir(join(dir, "node_modules/@runners"), { recursive: true });
    await symlink(root, join(dir, "node_modules/@runners/orchestrator"), "dir");
  }
  return {
    dir,
    build: (env) => runNode([nitroCli, "build"], dir, env),
    dev: (env) => serve([nitroCli, "dev", "--port", "0", "--host", "127.0.0.1"], dir, env),
    remove: () => rm(dir, { recursive: true, force: true }),
  };
}

/** A minimal `nitro.config.ts`, with the given `orchestrator` options as source text. */
export function nitroConfig(orchestrator = "{}", rest = ""): string {
  return `import { defineConfig } from "nitro";
import orchestrator from "@runners/orchestrator/nitro";
export default defineConfig({ modules: [orchestrator], buildDir: ".nitro", orchestrator: ${orchestrator}, ${rest} });
`;
}

/** Starts a built server from a working directory of its own, on a free port. */
export async function startServer(
  outputDir: string,
  cwd: string,
  env: Record<string, string> = {},
): Promise<TestServer> {
  await mkdir(cwd, { recursive: true });
  return serve([join(outputDir, "server/index.mjs")], cwd, {
    PORT: "0",
    HOST: "127.0.0.1",
    ...env,
  });
}

/** A fresh folder for a server's working directory and data. */
export function workDir(): string {
  return join(runDir(), `cwd-${randomUUID()}`);
}

async function serve(
  args: string[],
  cwd: string,
  env?: Record<string, string>,
): Promise<TestServer> {
  const running = startNode(args, cwd, env);
  const [, port] = await running.printed(/Listening on:? .*?:(\d+)\//);
  return { ...running, url: `http://127.0.0.1:${port}` };
}
