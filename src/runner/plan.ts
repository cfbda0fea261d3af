import { OrchestratorError } from "../core/errors.ts";
import type {
  JsonObject,
  RunnerExecuteRequest,
  RunnerSpec,
  StandardSchema,
  ValidationIssue,
} from "../types/index.ts";
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
  const outcome = await runner.schema["~standard"].validate(input);
  if (!outcome.issues) return outcome.value;
  throw new OrchestratorError("INPUT_VALIDATION_FAILED", "Runner input validation failed", {
    data: { runnerName: runner.name, issues: outcome.issues.map(toIssue) },
  });
}

type Issue = Extract<
  Awaited<ReturnType<StandardSchema["~standard"]["validate"]>>,
  { issues: readonly unknown[] }
>["issues"][number];

function toIssue(issue: Issue): ValidationIssue {
  return {
    path: (issue.path ?? []).map((part) => toSegment(typeof part === "object" ? part.key : part)),
    message: issue.message,
    code: vendorCode(issue),
  };
}

function toSegment(key: PropertyKey): number | string {
  return typeof key === "symbol" ? key.toString() : key;
}

/** The vendor's own word for the issue: zod calls it `code`, valibot `type`; the standard has none. */
function vendorCode(issue: object): string {
  const { code, type } = issue as { code?: unknown; type?: unknown };
  return [code, type].find((word) => typeof word === "string") ?? "custom";
}
