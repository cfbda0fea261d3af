import { join } from "pathe";
import { DiscoveryError } from "./problem.ts";
import { scan, type Discovered } from "./scan.ts";
import type { RunnerImport } from "./virtual/runners.ts";

/**
 * The app's `'use runner'` functions and the schemas beside them, in a stable order.
 *
 * @throws DiscoveryError with every fault found
 */
export async function discoverRunners(
  rootDir: string,
  patterns: readonly string[],
): Promise<RunnerImport[]> {
  const { found, problems } = await scan(rootDir, patterns, "use runner");
  if (problems.length > 0) throw new DiscoveryError(problems);
  return found.flatMap((runner) => [
    { file: join(rootDir, runner.file), name: runner.name, exportName: runner.exportName },
    ...schemaOf(rootDir, runner),
  ]);
}

/** The export `<name>InputSchema`, else `<name>Schema`. */
function schemaOf(rootDir: string, runner: Discovered): RunnerImport[] {
  for (const suffix of ["InputSchema", "Schema"]) {
    for (const stem of [runner.name, runner.exportName]) {
      const file = runner.siblings.get(`${stem}${suffix}`);
      if (!file) continue;
      return [
        {
          file: join(rootDir, file),
          name: `${runner.name}${suffix}`,
          exportName: `${stem}${suffix}`,
        },
      ];
    }
  }
  return [];
}
