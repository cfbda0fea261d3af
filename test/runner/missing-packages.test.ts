import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { build } from "esbuild";
import { afterAll, expect, test } from "vitest";

const folders: string[] = [];

afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true }))));

/** A folder with a bundle of the runner server, where none of the optional packages can be found. */
async function bundled(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "runner-missing-"));
  folders.push(folder);
  await build({
    entryPoints: [fileURLToPath(new URL("../../src/runner/index.ts", import.meta.url))],
    outfile: join(folder, "runner.mjs"),
    bundle: true,
    platform: "node",
    format: "esm",
    external: ["playwright-core", "@sparticuz/chromium"],
  });
  return folder;
}

/** What a process of its own prints that opens a page, after `before`. */
async function messageOf(folder: string, before = ""): Promise<string> {
  const script = `${before}
const { createRunnerHandler, withPlaywright } = await import("./runner.mjs");
createRunnerHandler({ runners: {} });
await withPlaywright({}, "about:blank").catch((error) => console.log(error.message));`;
  await writeFile(join(folder, "open.mjs"), script);
  const env = { ...process.env, PLAYWRIGHT_CHROMIUM_EXECUTABLE_PATH: "" };
  const run = promisify(execFile);
  return (await run(process.execPath, ["open.mjs"], { cwd: folder, env })).stdout;
}

test("without playwright-core everything loads, and withPlaywright says what to install", async () => {
  expect(await messageOf(await bundled())).toBe(
    "withPlaywright needs the package playwright-core, which is not installed. Install it with `npm install playwright-core`.\n",
  );
});

test("without any browser withPlaywright says what to install or to set", async () => {
  const folder = await bundled();
  const require = createRequire(import.meta.url);
  await mkdir(join(folder, "node_modules"));
  await symlink(
    dirname(require.resolve("playwright-core/package.json")),
    join(folder, "node_modules", "playwright-core"),
  );
  const noFiles = `import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
await import("playwright-core");
fs.existsSync = () => false;
syncBuiltinESMExports();`;
  expect(await messageOf(folder, noFiles)).toBe(
    "withPlaywright found no Chromium. Install one with `npx playwright-core install chromium` or `npm install @sparticuz/chromium`, or set PLAYWRIGHT_CHROMIUM_EXECUTABLE_PATH to the path of an installed Chrome or Chromium.\n",
  );
});
