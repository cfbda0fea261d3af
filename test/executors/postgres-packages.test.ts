import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { expect, test } from "vitest";
import { runNode } from "../_support/process.ts";

test("without its packages a queue on Postgres names both, whichever is looked for first", async () => {
  const folder = await mkdtemp(join(tmpdir(), "postgres-packages-"));
  try {
    await build({
      entryPoints: [fileURLToPath(new URL("../../src/conductor/packages.ts", import.meta.url))],
      outfile: join(folder, "packages.mjs"),
      bundle: true,
      platform: "node",
      format: "esm",
      external: ["pg", "graphile-worker"],
    });
    const script = `import { importGraphile, importPg } from "./packages.mjs";
for (const load of [importPg, importGraphile]) await load().catch((error) => console.log(error.message));`;
    await writeFile(join(folder, "start.mjs"), script);
    const { output } = await runNode(["start.mjs"], folder);
    const said =
      "A queue on Postgres needs the packages pg and graphile-worker. Install them with `npm install pg graphile-worker`.\n";
    expect(output).toBe(said + said);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
