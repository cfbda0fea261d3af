import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createContext, runInContext } from "node:vm";
import { build } from "esbuild";
import { expect, test } from "vitest";

const folder = fileURLToPath(new URL("../../src/core/", import.meta.url));

/** All of core in one script, run where there is nothing but the language. */
async function loadInBareContext(): Promise<any> {
  const files = readdirSync(folder).filter((file) => file.endsWith(".ts"));
  const exports = files.map((file) => `export * from ${JSON.stringify(`./${file}`)};`);
  const { outputFiles } = await build({
    stdin: { contents: exports.join("\n"), resolveDir: folder, loader: "ts" },
    bundle: true,
    write: false,
    platform: "neutral",
    format: "iife",
    globalName: "core",
  });
  const context = createContext({});
  runInContext(outputFiles[0]!.text, context);
  return runInContext("core", context);
}

test("core loads where there are no timers, no fetch and no Node", async () => {
  const core = await loadInBareContext();
  expect(core.createDispatcher).toBeTypeOf("function");
});

test("a window and its aggregate work there too", async () => {
  const core = await loadInBareContext();
  const jobs = [{ runners: ["a"] }, { runners: ["b"] }];
  const settled = await core.mapSettled(jobs, 1, async (job: { runners: string[] }) => {
    if (job.runners[0] === "b") throw new Error("no server");
    return { results: [{ name: "a", status: "pass", details: { x: 1 } }] };
  });
  expect(core.aggregateResults(settled, jobs)).toMatchObject({
    state: "failed",
    jobs: [{ results: [{ details: { x: 1 } }] }, { error: "no server" }],
  });
});
