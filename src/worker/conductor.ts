import { randomUUID } from "node:crypto";
import { assertPostgresUrl } from "../core/executor-options.ts";
import { OrchestratorError, reasonOf } from "../core/errors.ts";
import { jsonText } from "../core/json-value.ts";
import type { Conductor as ConductorInstance, ConductorOptions, Task } from "../types/conductor.ts";
import { assertIdentifier, countOf, invalid, nameOf, tasksOf, workerConfig } from "./checks.ts";
import { openConductorDatabase } from "../conductor/database.ts";
import { cancelExecution, enqueue, readExecution } from "../conductor/executions.ts";
import { createListener } from "../conductor/listener.ts";
import { createPostgresSource } from "./postgres-source.ts";
import { createConductorLog, withFields } from "./conductor-log.ts";
import type { ConductorParts } from "../conductor/parts.ts";
import { ensureSchema } from "../conductor/schema.ts";
import { DEFAULT_QUEUE, declaredTasks, defineTask, invokeOptions } from "./tasks.ts";
import type { WorkSourceOwner } from "./source.ts";
import { waitForEnd } from "./waiting.ts";

export type Conductor<Context = unknown> = ConductorInstance<Context> & WorkSourceOwner;

const partsByConductor = new WeakMap<object, ConductorParts>();

/**
 * What an orchestrator uses of a conductor.
 *
 * @throws OrchestratorError `CONFIG_INVALID`, for anything else
 */
export function partsOf(conductor: unknown): ConductorParts {
  const parts = partsByConductor.get(conductor as object);
  if (parts) return parts;
  throw invalid("Orchestrator.create: conductor must be a conductor, from Conductor.create()");
}

const uuid = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i;

function create<Context = unknown>(options: ConductorOptions<Context>): Conductor<Context> {
  const { connectionString, pool } = options ?? {};
  if (!connectionString && !pool) {
    throw invalid("Conductor requires either a connectionString or a pool instance");
  }
  if (connectionString && pool) {
    throw invalid("Conductor takes either a connectionString or a pool instance, not both");
  }
  // What is none, `pg` takes for a database on a host that it calls `base`; a path is a socket's.
  if (connectionString && !/^(\/|socket:)/.test(connectionString)) {
    assertPostgresUrl(connectionString, "Conductor: connectionString");
  }
  if (pool && (typeof pool.connect !== "function" || typeof pool.query !== "function")) {
    throw invalid("Conductor: pool must be a Pool of the package pg");
  }
  const logger = withFields(options.logger ?? createConductorLog(), {});
  const declared = declaredTasks(options.tasks);
  const database = openConductorDatabase({
    ...(connectionString && { connectionString }),
    ...(pool && { pool }),
    onPoolError: (error) => logger.warn("A connection was lost", { reason: reasonOf(error) }),
  });
  const listener = createListener(database);
  let ensuring: Promise<void> | undefined;
  const ready = (): Promise<void> => {
    ensuring ??= ensureSchema(database);
    ensuring.catch(() => (ensuring = undefined));
    return ensuring;
  };
  const createTask = (task: never, triggers: unknown, handler: unknown): Task<never> => {
    const defined = defineTask(task, triggers, handler);
    declared.check(defined.queue, defined.name);
    return defined;
  };
  const conductor: Conductor<Context> = {
    createTask: createTask as Conductor<Context>["createTask"],
    createWorker({ queue, tasks, config }) {
      const name = nameOf(queue, "createWorker: queue");
      const where = `Worker of the queue "${name}":`;
      return {
        queue: name,
        tasks: tasksOf(tasks, name, `${where} tasks`),
        config: workerConfig(config, `${where} config`),
      };
    },
    async invoke(task, payload, given = {}) {
      const name = nameOf(task?.name, "invoke: the task's name");
      const queue = nameOf(task.queue ?? DEFAULT_QUEUE, "invoke: the task's queue");
      assertIdentifier(queue, name, `invoke: "${name}":`);
      if ("triggers" in task && !task.triggers.some((trigger) => "invocable" in trigger)) {
        throw invalid(`The task "${name}" has no trigger { invocable: true }`);
      }
      const checked = invokeOptions(given);
      const valid = await declared.payload(queue, name, payload);
      const text = jsonText(valid, `The payload of the task "${name}"`);
      await ready();
      return enqueue(database, {
        id: randomUUID(),
        queue,
        task: name,
        event: "invoke",
        ...(text !== undefined && { payload: text }),
        ...checked,
        ...(task.maxAttempts !== undefined && {
          maxAttempts: countOf(task.maxAttempts, "invoke: maxAttempts", 1000),
        }),
      });
    },
    async cancel(id) {
      if (!uuid.test(id)) return false;
      await ready();
      return cancelExecution(database, id);
    },
    async execution(id) {
      if (!uuid.test(id)) return undefined;
      await ready();
      return readExecution(database, id);
    },
    async ended(id, { signal } = {}) {
      if (!uuid.test(id)) {
        throw new OrchestratorError("UNKNOWN_EXECUTION", `There is no execution ${id}`);
      }
      await ready();
      return waitForEnd({ database, listener }, id, signal);
    },
    close: () => database.close(),
    workSource: () => createPostgresSource(parts),
  };
  const place = placeOf(connectionString);
  const parts = { place, database, listener, logger, context: options.context, ready };
  partsByConductor.set(conductor, parts);
  return conductor;
}

/** A pool may be to anywhere, and so may what is no URL. */
function placeOf(connectionString: string | undefined): string {
  if (connectionString === undefined || !URL.canParse(connectionString)) return "Postgres";
  const { host } = new URL(connectionString);
  return host === "" ? "Postgres" : `Postgres at ${host}`;
}

/** Tasks, and a connection to the Postgres where their executions are. */
export const Conductor: {
  /** @throws OrchestratorError `CONFIG_INVALID` */
  create: <Context = unknown>(options: ConductorOptions<Context>) => Conductor<Context>;
} = { create };
