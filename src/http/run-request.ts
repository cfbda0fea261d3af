import { runLimits } from "../core/run-limits.ts";
import { modesInWords, runModes } from "../core/run-modes.ts";
import type { RunFilter } from "../types/service.ts";
import type { ValidationIssue } from "../types/manifest.ts";
import type { RunRequest, RunStateName } from "../types/run.ts";
import { HttpProblem } from "./errors.ts";
import { runRequestSchema, runStateSchema } from "./schemas.ts";
import { badField } from "./start-request.ts";

/** A request of the run API, and whether it is to be planned only. */
export interface ParsedRunRequest {
  /** Its mode is `plan` only where nothing names one that executes. */
  request: RunRequest;
  planning: boolean;
}

/** An issue as zod has it. */
interface RawIssue {
  code?: string;
  path?: PropertyKey[];
  message?: string;
  input?: unknown;
  expected?: string;
  minimum?: bigint | number;
  maximum?: bigint | number;
  inclusive?: boolean;
  origin?: string;
  values?: readonly unknown[];
  keys?: readonly string[];
}

const modes = [...runModes, "plan"] as const;

/** Issues told at most: a large body may be wrong in every place. */
const issueLimit = 20;

/**
 * A run request from a body and the query's `mode`.
 *
 * @param queryMode stands in for a body without one; `plan` goes with any
 * @param planning whether the path asks for a plan
 * @throws HttpProblem 400, whose message names the field
 */
export function parseRunRequest(
  body: Record<string, unknown>,
  queryMode: string | null,
  planning: boolean,
): ParsedRunRequest {
  assertLengths(body);
  const parsed = runRequestSchema.safeParse(body, { error: wordingOf });
  if (!parsed.success) throw refusalOf(parsed.error.issues);
  const request = parsed.data;
  const asked = [request.mode, modeOfQuery(queryMode)];
  const executing = [...new Set(asked.filter((mode) => mode && mode !== "plan"))];
  if (executing.length > 1) {
    throw badField("mode", `is '${request.mode}' in the body and '${queryMode}' in the query`);
  }
  const toPlan = planning || asked.includes("plan");
  const mode = executing[0] ?? (toPlan ? "plan" : undefined);
  assertRunners(request);
  if (mode === undefined && request.rerun === undefined) {
    throw badField("mode", `is required: one of ${modesInWords}`);
  }
  return { request: { ...request, ...(mode && { mode }) }, planning: toPlan };
}

const filterNames = [
  "workflow",
  "state",
  "tag",
  "owner",
  "since",
  "until",
  "limit",
  "cursor",
] as const;

/**
 * Which runs a query asks for: `?workflow=&state=&tag=&owner=&since=&until=&limit=&cursor=`.
 *
 * @throws HttpProblem 400, whose message names the parameter
 */
export function parseRunFilter(query: URLSearchParams): RunFilter {
  for (const name of query.keys()) {
    if (!(filterNames as readonly string[]).includes(name)) {
      throw badField(shorten(name), `is not one of ${filterNames.join(", ")}`);
    }
    if (query.getAll(name).length > 1) throw badField(name, "can be given once");
  }
  const [workflow, state, tag, owner, since, until, limit, cursor] = filterNames.map(
    (name) => query.get(name) ?? undefined,
  );
  if (state !== undefined && !runStateSchema.safeParse(state).success) {
    const states = "queued, running, completed, failed, timed_out, cancelled";
    throw badField("state", `must be one of ${states} (got "${shorten(state)}")`);
  }
  if (limit !== undefined && !/^(?:[1-9]\d?|100)$/.test(limit)) {
    throw badField("limit", `must be a whole number from 1 to 100 (got "${shorten(limit)}")`);
  }
  if (cursor !== undefined && !/^[\x21-\x7E]{1,512}$/.test(cursor)) {
    throw badField("cursor", "must be one that a list answered with");
  }
  return {
    ...(workflow !== undefined && { workflow }),
    ...(state !== undefined && { state: state as RunStateName }),
    ...(tag !== undefined && { tag }),
    ...(owner !== undefined && { owner }),
    ...(since !== undefined && { since: timeOf("since", since) }),
    ...(until !== undefined && { until: timeOf("until", until) }),
    ...(limit !== undefined && { limit: Number(limit) }),
    ...(cursor !== undefined && { cursor }),
  };
}

/** Epoch milliseconds, of a text that says them or an ISO time. */
function timeOf(field: string, text: string): number {
  const isTime = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d))?$/;
  const time = /^\d{1,15}$/.test(text) ? Number(text) : isTime.test(text) ? Date.parse(text) : NaN;
  if (!Number.isNaN(time)) return time;
  const expected = "an ISO time such as 2026-11-20T09:00:00Z, or milliseconds since 1970";
  throw badField(field, `must be ${expected} (got "${shorten(text)}")`);
}

/** Before anything looks at the entries: a megabyte of wrong ones is half a million issues. */
function assertLengths(body: Record<string, unknown>): void {
  for (const field of ["runners", "regions", "tags"] as const) {
    const value = body[field];
    if (!Array.isArray(value) || value.length <= runLimits[field]) continue;
    throw badField(field, `must have at most ${runLimits[field]} entries (got ${value.length})`);
  }
}

function assertRunners({ runners, regions, rerun }: RunRequest): void {
  if (rerun === undefined && runners === undefined) {
    throw badField("runners", "is required: at least one {name, region, input}");
  }
  if (rerun === undefined) return;
  if (runners) throw badField("runners", "cannot stand beside rerun, which names them");
  if (regions) throw badField("regions", "cannot stand beside rerun, which names them");
}

function modeOfQuery(text: string | null): RunRequest["mode"] {
  if (text === null) return undefined;
  const mode = modes.find((mode) => mode === text);
  if (mode) return mode;
  throw badField("mode", `must be one of ${modesInWords} (got '${shorten(text)}')`);
}

/** A 400 with the issues, whose message says the first of them with their fields. */
export function refusalOf(raw: readonly RawIssue[]): HttpProblem {
  const issues = raw.slice(0, issueLimit).flatMap(toIssues).slice(0, issueLimit);
  const said = issues.slice(0, 3).map(({ path, message }) => `${fieldOf(path)} ${message}`);
  const more = raw.length > said.length ? "; …" : "";
  return new HttpProblem(400, said.join("; ") + more, { issues });
}

/** One issue a key that is not expected, at its own path; any other as it is. */
function toIssues({ code = "custom", path = [], message = "", keys = [] }: RawIssue) {
  const place = path.map((part) => (typeof part === "number" ? part : shorten(String(part))));
  const places =
    code === "unrecognized_keys" ? keys.map((key) => [...place, shorten(key)]) : [place];
  return places.map((path): ValidationIssue => ({ path, message, code }));
}

/** `runners[0].name`, as the messages of our other routes have it. */
function fieldOf(path: ValidationIssue["path"]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === "number") return `${text}[${part}]`;
    return text === "" ? part : `${text}.${part}`;
  }, "");
}

/** What is said after the field's name; undefined where the schema has a wording of its own. */
export function wordingOf(issue: RawIssue): string | undefined {
  switch (issue.code) {
    case "unrecognized_keys":
      return "is not expected";
    case "invalid_type":
      return issue.input === undefined ? "is required" : `must be ${article(issue.expected)}`;
    case "invalid_value":
      return `must be one of ${issue.values?.map((value) => `'${String(value)}'`).join(", ")}`;
    case "too_small":
      return issue.origin === "number" || issue.origin === "int"
        ? `must be ${issue.inclusive ? "at least" : "greater than"} ${issue.minimum}`
        : `must have at least ${issue.minimum} ${unitOf(issue, issue.minimum)}`;
    case "too_big":
      return issue.origin === "number" || issue.origin === "int"
        ? `must be at most ${issue.maximum}`
        : `must have at most ${issue.maximum} ${unitOf(issue, issue.maximum)}`;
    default:
      return undefined;
  }
}

function unitOf({ origin }: RawIssue, count: bigint | number | undefined): string {
  const [one, many] = origin === "array" ? ["entry", "entries"] : ["character", "characters"];
  return count === 1 ? one! : many!;
}

function article(expected = "value"): string {
  const nouns: Record<string, string> = { int: "a whole number", record: "an object" };
  return nouns[expected] ?? `${/^[aeiou]/.test(expected) ? "an" : "a"} ${expected}`;
}

function shorten(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}
