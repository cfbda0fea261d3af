import type { ValidationIssue } from "../types/manifest.ts";
import type {
  FailurePolicy,
  PlannedJob,
  RunInput,
  RunJob,
  RunMode,
  RunRequest,
  RunRunner,
} from "../types/run.ts";
import { OrchestratorError } from "./errors.ts";
import { runLimits } from "./run-limits.ts";
import { modesInWords } from "./run-modes.ts";
import { jobPassed } from "./run-state.ts";
import { reservedRunIds } from "./run-workflow.ts";

/** What a plan takes from outside, so that it is the same in every replay and test. */
export interface PlanSources {
  /** A fresh UUID. */
  uuid: () => string;
  /** Epoch milliseconds. */
  now: number;
}

/** A runner in one region, and where in the request it stands. */
interface Execution {
  runner: RunRunner;
  url: string;
  region?: string;
}

/**
 * Who executes a request's jobs: its mode, and for a plan `local` where nothing names a region.
 *
 * @throws OrchestratorError `INPUT_VALIDATION_FAILED` where there is no mode
 */
export function runModeOf({ mode, regions, runners = [] }: RunRequest): RunMode {
  if (mode === undefined) throw refusal(["mode"], `mode is required: one of ${modesInWords}`);
  if (mode !== "plan") return mode;
  const regional = regions ?? runners.find((runner) => runner.region ?? runner.regions);
  return regional === undefined ? "local" : "remote";
}

/**
 * The jobs of a request in the order in which they first occur: one for each url and region, in
 * `local` mode one for each url, with all runners of it. Every runner is expanded over its own
 * regions, else over the request's.
 *
 * @throws OrchestratorError `INPUT_VALIDATION_FAILED`; `data.issues` has each field's path
 */
export function planJobs(
  request: RunRequest,
  mode: RunMode,
  { uuid }: Pick<PlanSources, "uuid">,
): PlannedJob[] {
  assertNoRegions(request, mode);
  assertDistinct(request.regions, ["regions"]);
  const runners = request.runners ?? [];
  assertSize(runners, request.regions);
  const executions = runners.flatMap((runner, index) =>
    place(runner, index, request.regions, mode),
  );
  const groups = new Map<string, Execution[]>();
  for (const execution of executions) {
    const key = JSON.stringify([execution.url, mode !== "local" && execution.region]);
    const group = groups.get(key);
    if (group) group.push(execution);
    else groups.set(key, [execution]);
  }
  return [...groups.values()].map((group) => ({
    id: `job_${uuid()}`,
    url: group[0]!.url,
    ...regionOf(group),
    runners: group.map(({ runner: { name, input } }) => ({ name, ...(input && { input }) })),
  }));
}

/**
 * What the workflow `run` is started with for these jobs; the run's time is up `timeout` after now.
 *
 * @throws OrchestratorError `INPUT_VALIDATION_FAILED` for a quorum that no outcome reaches
 */
export function runInput(
  { concurrency, timeout, failurePolicy }: RunRequest,
  mode: RunMode,
  jobs: PlannedJob[],
  { now }: Pick<PlanSources, "now">,
): RunInput {
  assertReachable(failurePolicy, jobs.length);
  return {
    jobs,
    mode,
    ...(concurrency !== undefined && { concurrency }),
    ...(timeout !== undefined && { deadline: now + timeout }),
    ...(failurePolicy !== undefined && { failurePolicy }),
  };
}

/** The jobs of an ended run that failed or did not pass, in their order, under ids of their own. */
export function jobsToRerun(
  planned: readonly PlannedJob[],
  ended: readonly RunJob[],
  { uuid }: Pick<PlanSources, "uuid">,
): PlannedJob[] {
  const passed = new Set(ended.filter(jobPassed).map(({ jobId }) => jobId));
  return planned
    .filter(({ id }) => !passed.has(id))
    .map((job) => ({ ...job, id: `job_${uuid()}` }));
}

/**
 * Refuses an id of the caller's own that a path of ours has another meaning for.
 *
 * @param workflows names of the discovered workflows
 * @throws OrchestratorError `INPUT_VALIDATION_FAILED`
 */
export function assertRunId(runId: string, workflows: readonly string[]): void {
  const reason = reservedRunIds.has(runId)
    ? "is reserved"
    : workflows.includes(runId)
      ? "is the name of a workflow"
      : runId.startsWith("wrun_")
        ? "begins with wrun_, as only the engine's ids do"
        : undefined;
  if (reason) throw refusal(["runId"], `runId must be another: "${runId}" ${reason}`);
}

/** A runner in each of its regions. */
function place(
  runner: RunRunner,
  index: number,
  shared: readonly string[] | undefined,
  mode: RunMode,
): Execution[] {
  const path = ["runners", index];
  if (runner.region !== undefined && runner.regions !== undefined) {
    throw refusal(
      [...path, "regions"],
      `Runner "${runner.name}" must have region or regions, not both`,
    );
  }
  assertDistinct(runner.regions, [...path, "regions"]);
  const regions = regionsFor(runner, shared);
  if (mode === "remote" && regions === undefined) {
    const message = `Runner "${runner.name}" must specify a region when mode is 'remote'`;
    throw refusal([...path, "region"], message);
  }
  const url = urlOf(runner, [...path, "input", "url"], mode);
  return (regions ?? [undefined]).map((region) => ({
    runner,
    url,
    ...(region !== undefined && { region }),
  }));
}

function urlOf({ name, input }: RunRunner, path: (number | string)[], mode: RunMode): string {
  const url = input !== undefined && Object.hasOwn(input, "url") ? input.url : undefined;
  if (url === undefined) {
    throw refusal(path, `Runner "${name}" must specify input.url when mode is '${mode}'`);
  }
  if (typeof url === "string" && /^https?:\/\//i.test(url) && URL.canParse(url)) return url;
  throw refusal(path, `Runner "${name}" must have an absolute http(s) URL as its input.url`);
}

/** A region that all runners of a job name; in `local` mode they need not name the same. */
function regionOf([first, ...others]: readonly Execution[]): { region?: string } {
  const region = first?.region;
  const common = region !== undefined && others.every((other) => other.region === region);
  return common ? { region } : {};
}

/** One process is in one place: a runner executed here again would only be the same once more. */
function assertNoRegions({ regions, runners = [] }: RunRequest, mode: RunMode): void {
  if (mode !== "local") return;
  const index = runners.findIndex((runner) => runner.regions !== undefined);
  if (regions === undefined && index === -1) return;
  throw refusal(
    regions === undefined ? ["runners", index, "regions"] : ["regions"],
    "regions cannot be used when mode is 'local'",
  );
}

/** Before anything is multiplied: a small request must not become a huge run by its regions. */
function assertSize(runners: readonly RunRunner[], shared: readonly string[] | undefined): void {
  let executions = 0;
  let size = 0;
  for (const runner of runners) {
    const regions = regionsFor(runner, shared)?.length ?? 1;
    executions += regions;
    size += regions * JSON.stringify(runner.input ?? {}).length;
  }
  if (executions > runLimits.executions) {
    throw refusal(
      ["runners"],
      `runners over all regions must be at most ${runLimits.executions} (got ${executions})`,
    );
  }
  if (size > runLimits.size) {
    throw refusal(
      ["runners"],
      `runners over all regions must have at most ${runLimits.size} characters of input (got ${size})`,
    );
  }
}

function regionsFor(
  { region, regions }: RunRunner,
  shared: readonly string[] | undefined,
): readonly string[] | undefined {
  return regions ?? (region === undefined ? shared : [region]);
}

function assertDistinct(regions: readonly string[] = [], path: ValidationIssue["path"]): void {
  if (new Set(regions).size === regions.length) return;
  const at = regions.findIndex((region, index) => regions.indexOf(region) < index);
  throw refusal([...path, at], `regions must differ: "${regions[at]}" is named twice`);
}

function assertReachable(policy: FailurePolicy | undefined, jobs: number): void {
  if (typeof policy !== "object" || !("quorum" in policy) || policy.quorum <= jobs) return;
  throw refusal(
    ["failurePolicy", "quorum"],
    `failurePolicy.quorum must be at most the number of jobs, ${jobs} (got ${policy.quorum})`,
  );
}

function refusal(path: ValidationIssue["path"], message: string): OrchestratorError {
  return new OrchestratorError("INPUT_VALIDATION_FAILED", message, {
    data: { issues: [{ path, message, code: "custom" }] },
  });
}
