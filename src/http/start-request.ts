import { validateInput } from "../core/standard-schema.ts";
import type { StandardSchema, WorkflowEntry } from "../types/manifest.ts";
import { HttpProblem } from "./errors.ts";

const argumentKeys = ["jobs", "job", "input", "args"] as const;

/**
 * The arguments a body calls a workflow with: `{jobs, options}` and `{job, options}` as `(jobs, options)`
 * or `(job, options)`, whichever it takes, `{input, options}` as `(input, options)`, and `{args}` spread.
 *
 * @param injected stands in `options` last, so that a caller's own never replaces it
 * @throws HttpProblem 400, which names the field
 */
export async function argumentsOf(
  body: Record<string, unknown>,
  entry: WorkflowEntry,
  schema: StandardSchema | undefined,
  injected: object,
): Promise<unknown[]> {
  assertKeys(body, entry, schema);
  if (body.options !== undefined && !isObject(body.options))
    throw badField("options", "must be an object");
  const options = { ...(body.options as object | undefined), ...injected };
  if (schema) return [await validated(schema, body.input), options];
  if ("args" in body) {
    if (!Array.isArray(body.args)) throw badField("args", "must be an array of arguments");
    return body.args as unknown[];
  }
  if ("input" in body) return [body.input, options];
  return [jobsOf(body, entry), options];
}

function assertKeys(
  body: Record<string, unknown>,
  entry: WorkflowEntry,
  schema: StandardSchema | undefined,
): void {
  const allowed: readonly string[] = schema ? ["input", "options"] : [...argumentKeys, "options"];
  const unknown = Object.keys(body).find((key) => !allowed.includes(key));
  if (unknown !== undefined) {
    const why = schema
      ? `"${entry.name}" has an input schema, so it is called with`
      : "a workflow is called with";
    throw badField(unknown, `is not expected: ${why} {${allowed.join(", ")}}`);
  }
  const given = argumentKeys.filter((key) => key in body);
  if (given.length > 1)
    throw badField(
      given[1]!,
      `cannot stand beside ${given[0]}: give one of ${argumentKeys.join(", ")}`,
    );
  if ("args" in body && "options" in body) {
    throw badField("options", "cannot stand beside args, which are passed as they are");
  }
}

async function validated(schema: StandardSchema, input: unknown): Promise<unknown> {
  const outcome = await validateInput(schema, input);
  if (!outcome.issues) return outcome.value;
  const issues = outcome.issues.map((issue) => ({ ...issue, path: ["input", ...issue.path] }));
  throw new HttpProblem(400, "Input validation failed", { issues });
}

/** What a workflow over jobs takes first: the list, or for one that takes a single job, that job. */
function jobsOf(body: Record<string, unknown>, entry: WorkflowEntry): unknown {
  if ("job" in body && !isObject(body.job)) throw badField("job", "must be an object");
  if ("jobs" in body) {
    if (!Array.isArray(body.jobs)) throw badField("jobs", "must be an array of jobs");
    const bad = body.jobs.findIndex((job) => !isObject(job));
    if (bad !== -1) throw badField(`jobs[${bad}]`, "must be an object");
  }
  const jobs = ("job" in body ? [body.job] : (body.jobs ?? [])) as unknown[];
  if (entry.accepts !== "job") return jobs;
  if (jobs.length !== 1) {
    throw badField(
      "job" in body ? "job" : "jobs",
      `must be one job: "${entry.name}" takes a single one (got ${jobs.length})`,
    );
  }
  return jobs[0];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A 400 that names the field in the text and, for programs, as an issue with its path. */
export function badField(field: string, message: string): HttpProblem {
  const path = field
    .split(/[.[\]]+/)
    .filter(Boolean)
    .map((part) => (/^\d+$/.test(part) ? Number(part) : part));
  return new HttpProblem(400, `${field} ${message}`, { issues: [{ path, message }] });
}
