import { isOrchestratorError } from "../core/errors.ts";
import { longestTimer } from "../core/sleep.ts";
import { collectRunners, type RunnerCatalog } from "../runner/catalog.ts";
import type { WorkerLog } from "./log.ts";
import { createRedisSource } from "./redis-source.ts";
import type { RunnerWorkerOptions } from "./runner-worker.ts";
import type { WorkSource, WorkSourceOwner } from "./source.ts";

/** The options of a runner worker as resolved: checked, defaults filled in. */
export interface ResolvedWorker {
  catalog: RunnerCatalog;
  source: WorkSource;
  region?: string;
  concurrency: number;
  id?: string;
  timeout: number;
  stopTimeout: number;
  signals: boolean;
  log?: WorkerLog;
}

const prefix = "createRunnerWorker: options";
const known = [
  "redis",
  "conductor",
  "runners",
  "region",
  "concurrency",
  "id",
  "timeout",
  "stopTimeout",
  "signals",
  "log",
];

/** @throws TypeError that names the option and what it should be */
export function resolveWorker(options: RunnerWorkerOptions): ResolvedWorker {
  if (typeof options !== "object" || options === null) {
    throw fault("", "must be an object with `runners` and `redis` or `conductor`", options);
  }
  const unknown = Object.keys(options).find((key) => !known.includes(key));
  if (unknown !== undefined) {
    throw new TypeError(`${prefix}.${unknown} is not an option. Known: ${known.join(", ")}`);
  }
  const { region, id, signals = true, log } = options;
  if (region !== undefined && !isName(region, 200)) {
    throw fault(".region", "must be a text of 1 to 200 characters", region);
  }
  if (id !== undefined && (!isName(id, 200) || !/^[\x21-\x7e]+$/.test(id))) {
    throw fault(".id", "must be 1 to 200 visible ASCII characters", id);
  }
  if (typeof signals !== "boolean") throw fault(".signals", "must be true or false", signals);
  if (log !== undefined && typeof log !== "function") {
    throw fault(".log", "must be a function", log);
  }
  const catalog = collectRunners(options.runners, `${prefix}.runners`);
  if (catalog.size === 0) throw new TypeError(`${prefix}.runners must have at least one runner`);
  return {
    catalog,
    concurrency: count("concurrency", options.concurrency ?? 1, 1, 10_000),
    timeout: count("timeout", options.timeout ?? 30_000, 1, longestTimer),
    stopTimeout: count("stopTimeout", options.stopTimeout ?? 5000, 0, longestTimer),
    signals,
    source: sourceOf(options),
    ...(region !== undefined && { region }),
    ...(id !== undefined && { id }),
    ...(log && { log }),
  };
}

function sourceOf({ redis, conductor }: RunnerWorkerOptions): WorkSource {
  if ((redis === undefined) === (conductor === undefined)) {
    throw new TypeError(`${prefix} must have one of \`redis\` and \`conductor\``);
  }
  if (conductor !== undefined) {
    if (typeof (conductor as Partial<WorkSourceOwner> | null)?.workSource !== "function") {
      throw fault(".conductor", "must be a Conductor", conductor);
    }
    return conductor.workSource();
  }
  const place: unknown = typeof redis === "string" ? { url: redis } : redis;
  if (typeof place !== "object" || place === null) {
    throw fault(".redis", "must be a URL, or {url, prefix}", place);
  }
  try {
    return createRedisSource(place, `${prefix}.redis`);
  } catch (error) {
    throw isOrchestratorError(error) ? new TypeError(error.message, { cause: error }) : error;
  }
}

function isName(value: unknown, longest: number): value is string {
  return typeof value === "string" && value.trim() !== "" && value.length <= longest;
}

function count(field: string, value: number, least: number, greatest: number): number {
  if (Number.isInteger(value) && value >= least && value <= greatest) return value;
  throw fault(`.${field}`, `must be a whole number from ${least} to ${greatest}`, value);
}

function fault(field: string, message: string, value: unknown): TypeError {
  const shown = typeof value === "string" ? JSON.stringify(value) : String(value);
  return new TypeError(`${prefix}${field} ${message} (got ${shown})`);
}
