import { OrchestratorError } from "../core/errors.ts";
import { validateInput } from "../core/standard-schema.ts";
import type { JsonObject, RunnerExecuteRequest, RunnerSpec } from "../types/index.ts";
import type { CatalogRunner, RunnerCatalog } from "./catalog.ts";

/** A runner about to be called, with its validated input. */
export interface PlannedRunner {
  runner: CatalogRunner;
  input: unknown;
}

/**
 * Resolves every requested runner and validates every input before anything is executed.
 *
 * @throws OrchestratorError `RUNNER_NOT_FOUND` with `{missingRunners, availableRunners}`, or
 * `INPUT_VALIDATION_FAILED` with `{runnerName, issues}` of the first runner in request order.
 */
export async function planExecution(
  catalog: RunnerCatalog,
  request: RunnerExecuteRequest,
): Promise<PlannedRunner[]> {
  const specs = request.runners.map((entry) =>
    typeof entry === "string" ? { name: entry } : entry,
  );
  requireKnown(catalog, specs);
  const planned: PlannedRunner[] = [];
  for (const spec of specs) {
    const runner = catalog.get(spec.name)!;
    planned.push({ runner, input: await validated(runner, mergedInput(request, spec)) });
  }
  return planned;
}

function requireKnown(catalog: RunnerCatalog, specs: RunnerSpec[]): void {
  const missing = new Set(specs.map((spec) => spec.name).filter((name) => !catalog.has(name)));
  if (missing.size === 0) return;
  throw new OrchestratorError("RUNNER_NOT_FOUND", "One or more runners not found", {
    data: { missingRunners: [...missing], availableRunners: [...catalog.keys()] },
  });
}

/** One runner's input: the request's, over it the runner's own, over both the request's url. */
function mergedInput(request: RunnerExecuteRequest, spec: RunnerSpec): JsonObject {
  return { ...request.input, ...spec.input, ...(request.url && { url: request.url }) };
}

async function validated(runner: CatalogRunner, input: JsonObject): Promise<unknown> {
  if (!runner.schema) return input;
  const outcome = await validateInput(runner.schema, input);
  if (!outcome.issues) return outcome.value;
  throw new OrchestratorError("INPUT_VALIDATION_FAILED", "Runner input validation failed", {
    data: { runnerName: runner.name, issues: outcome.issues },
  });
}
