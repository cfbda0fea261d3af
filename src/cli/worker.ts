import { type ArgsDef, type CommandDef, defineCommand } from "citty";
import { assertPostgresUrl, assertRedisUrl } from "../core/executor-options.ts";
import { Conductor } from "../worker/conductor.ts";
import { createRunnerWorker, type RunnerWorkerOptions } from "../worker/runner-worker.ts";
import { invalid, numberOf, readOptions } from "./options.ts";
import { workOneOrder } from "./order.ts";
import { loadRunners } from "./runners.ts";
import { surviveFaults } from "./service.ts";

const options: ArgsDef = {
  runners: {
    type: "string",
    valueHint: "file",
    description: "Module of runner functions (default runners.mjs)",
  },
  redis: {
    type: "string",
    valueHint: "url",
    description: "Redis to pull from (env ORCHESTRATOR_REDIS_URL)",
  },
  postgres: {
    type: "string",
    valueHint: "url",
    description: "Postgres to pull from instead (env ORCHESTRATOR_POSTGRES_URL)",
  },
  prefix: {
    type: "string",
    description: "What the keys on Redis start with (default orchestrator)",
  },
  region: {
    type: "string",
    description:
      "Takes the jobs of this region; without one, those that name none (env ORCHESTRATOR_REGION)",
  },
  concurrency: {
    type: "string",
    valueHint: "n",
    description: "Jobs at once (default 1)",
  },
  id: {
    type: "string",
    description: "What attempts and logs call it (default host, process and a random part)",
  },
  timeout: {
    type: "string",
    valueHint: "ms",
    description: "What one runner may take (default 30000)",
  },
  "stop-timeout": {
    type: "string",
    valueHint: "ms",
    description: "What jobs may take after SIGTERM, before others get them (default 5000)",
  },
  order: {
    type: "boolean",
    description: "Executes the one order in ORCHESTRATOR_ORDER and ends: the pod of a Job does",
  },
};

/** What says something of a single order. */
const optionsOfOrder: ReadonlySet<string> = new Set(["runners", "id", "timeout"]);

/** `orchestrator worker`: a process that pulls jobs and executes their runners. */
export const worker: CommandDef = defineCommand({
  meta: { name: "worker", description: "Starts a worker, which pulls jobs and executes them" },
  args: options,
  async run({ args }) {
    const { order, ...rest } = args;
    const given = readOptions("worker", options, rest);
    if (order) return workOrderOf(given);
    const { ORCHESTRATOR_REGION: ownRegion } = process.env;
    const place = placeOf(given);
    const runners = await loadRunners(given["runners"]);
    if (!runners) throw invalid("No runners: name their module with --runners");
    const region = given["region"] ?? (ownRegion || undefined);
    const { id } = given;
    surviveFaults();
    const running = createRunnerWorker({
      ...place,
      runners,
      ...(region !== undefined && { region }),
      ...(id !== undefined && { id }),
      ...numbersOf(given, {
        concurrency: "concurrency",
        timeout: "timeout",
        stopTimeout: "stop-timeout",
      }),
    });
    await running.start();
    await running.stopped;
    process.exit(0);
  },
});

async function workOrderOf(given: Record<string, string | undefined>): Promise<void> {
  const stray = Object.keys(given).find((name) => !optionsOfOrder.has(name));
  if (stray !== undefined) throw invalid(`--${stray} cannot stand beside --order`);
  const runners = await loadRunners(given["runners"]);
  if (!runners) throw invalid("No runners: name their module with --runners");
  const { id } = given;
  surviveFaults();
  await workOneOrder({
    runners,
    ...(id !== undefined && { id }),
    ...numbersOf(given, { timeout: "timeout" }),
  });
}

/** Where it pulls from. */
function placeOf(
  given: Record<string, string | undefined>,
): Pick<RunnerWorkerOptions, "conductor" | "redis"> {
  const { ORCHESTRATOR_REDIS_URL: redisUrl, ORCHESTRATOR_POSTGRES_URL: postgresUrl } = process.env;
  const { redis, postgres, prefix } = given;
  if (redis !== undefined && postgres !== undefined) {
    throw invalid("--redis and --postgres are two places to pull from: give one");
  }
  const named = redis !== undefined || postgres !== undefined;
  if (!named && redisUrl && postgresUrl) {
    throw invalid(
      "ORCHESTRATOR_REDIS_URL and ORCHESTRATOR_POSTGRES_URL are two places to pull from: say which with --redis or --postgres",
    );
  }
  const url = named ? redis : redisUrl || undefined;
  if (url !== undefined) {
    assertRedisUrl(url, named ? "--redis" : "ORCHESTRATOR_REDIS_URL");
    return { redis: { url, ...(prefix !== undefined && { prefix }) } };
  }
  const connectionString = named ? postgres : postgresUrl || undefined;
  if (connectionString === undefined) {
    throw invalid(
      "Nothing to pull from: give --redis or --postgres a URL, or set ORCHESTRATOR_REDIS_URL or ORCHESTRATOR_POSTGRES_URL",
    );
  }
  if (prefix !== undefined) {
    throw invalid("--prefix is of keys on Redis, and cannot stand beside --postgres");
  }
  assertPostgresUrl(connectionString, named ? "--postgres" : "ORCHESTRATOR_POSTGRES_URL");
  return { conductor: Conductor.create({ connectionString }) };
}

/** The numbers among the options, by what they are called where they go. */
function numbersOf<Name extends string>(
  given: Record<string, string | undefined>,
  names: Record<Name, string>,
): { [name in Name]?: number } {
  const numbers: { [name in Name]?: number } = {};
  for (const [name, option] of Object.entries(names) as [Name, string][]) {
    const text = given[option];
    if (text !== undefined) numbers[name] = numberOf(`--${option}`, text);
  }
  return numbers;
}
