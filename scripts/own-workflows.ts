import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const entry = fileURLToPath(new URL("../src/runtime/workflows/own.ts", import.meta.url));

/**
 * The package's own workflows as the engine takes them: one script that registers them in a replay's context.
 *
 * Answers with a module whose default export is that script's text
 */
export async function bundleOwnWorkflows(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    format: "iife",
    platform: "neutral",
    target: "node20",
    // A workflow's context has no modules: what slips in must fail here, not at the first replay.
    logLevel: "error",
    legalComments: "none",
  });
  return `export default ${JSON.stringify(outputFiles[0]!.text)};\n`;
}
