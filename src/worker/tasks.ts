import { parseCron } from "../core/cron.ts";
import { OrchestratorError, reasonOf } from "../core/errors.ts";
import type {
  CronTrigger,
  InvokeOptions,
  Task,
  TaskDefinition,
  TaskHandler,
  TaskOptions,
  TaskTrigger,
} from "../types/conductor.ts";
import { assertIdentifier, countOf, invalid, nameOf } from "./checks.ts";

/** The queue of tasks that name none. */
export const DEFAULT_QUEUE = "default";

/** How often a task is tried that does not say so. */
const MAX_ATTEMPTS = 3;

/** What Postgres takes for a priority of graphile-worker's, which has it the other way round. */
const MAX_PRIORITY = 32_767;

/** A task, checked. */
export function defineTask(options: TaskOptions, triggers: unknown, handler: unknown): Task<never> {
  const name = nameOf(options?.name, "The task's name");
  const where = `Task "${name}":`;
  if (typeof handler !== "function") throw invalid(`${where} its handler must be a function`);
  const list = (Array.isArray(triggers) ? triggers : [triggers]) as unknown[];
  if (list.length === 0) throw invalid(`${where} it has no trigger`);
  const checked = list.map((trigger) => triggerOf(trigger, where));
  const names = checked.flatMap((trigger) => ("cron" in trigger ? [trigger.name] : []));
  const twice = names.find((one, index) => names.indexOf(one) !== index);
  if (twice !== undefined) throw invalid(`${where} it has two triggers named "${twice}"`);
  const queue = nameOf(options.queue ?? DEFAULT_QUEUE, `${where} queue`);
  assertIdentifier(queue, name, where);
  return {
    name,
    queue,
    maxAttempts: countOf(options.maxAttempts ?? MAX_ATTEMPTS, `${where} maxAttempts`, 1000),
    ...(options.concurrency !== undefined && {
      concurrency: countOf(options.concurrency, `${where} concurrency`, 10_000),
    }),
    triggers: checked,
    handler: handler as TaskHandler<never, never>,
  };
}

function triggerOf(trigger: unknown, where: string): TaskTrigger {
  const { invocable, cron } = (trigger ?? {}) as Partial<CronTrigger> & { invocable?: unknown };
  if (invocable === true && cron === undefined) return { invocable: true };
  if (typeof cron !== "string" || invocable !== undefined) {
    throw invalid(`${where} a trigger must be { invocable: true } or { cron, name }`);
  }
  const name = nameOf((trigger as CronTrigger).name, `${where} the name of the trigger "${cron}"`);
  if (name === "invoke") throw invalid(`${where} a trigger cannot be named "invoke"`);
  try {
    parseCron(cron);
  } catch (error) {
    throw invalid(`${where} the cron of the trigger "${name}" ${reasonOf(error)}`);
  }
  return { cron, name };
}

/** How an execution is to be queued, checked. */
export function invokeOptions(
  options: InvokeOptions,
): Required<Pick<InvokeOptions, "priority">> & Omit<InvokeOptions, "priority"> {
  const { dedupeKey, priority = 0, runAt } = options;
  if (!Number.isInteger(priority) || Math.abs(priority) > MAX_PRIORITY) {
    throw invalid(
      `priority must be a whole number from -${MAX_PRIORITY} to ${MAX_PRIORITY} (got ${String(priority)})`,
    );
  }
  if (runAt !== undefined && !(runAt instanceof Date && Number.isFinite(runAt.getTime()))) {
    throw invalid(`runAt must be a valid Date (got ${String(runAt)})`);
  }
  if (
    dedupeKey !== undefined &&
    !(typeof dedupeKey === "string" && dedupeKey !== "" && dedupeKey.length <= 500)
  ) {
    throw invalid("dedupeKey must be a text of 1 to 500 characters");
  }
  return { priority, ...(dedupeKey !== undefined && { dedupeKey }), ...(runAt && { runAt }) };
}

/** The tasks that were declared, and what their payloads must be. */
export interface Declared {
  /** @throws OrchestratorError `CONFIG_INVALID`, for a task that was not declared */
  check(queue: string, name: string): void;
  /** The payload as its schema answers it. */
  payload(queue: string, name: string, payload: unknown): Promise<unknown>;
}

/** Declarations, or none, with which any task is right. */
export function declaredTasks(definitions: readonly TaskDefinition[] | undefined): Declared {
  if (definitions === undefined) {
    return {
      check: () => undefined,
      payload: (_queue, _name, payload) => Promise.resolve(payload),
    };
  }
  if (!Array.isArray(definitions))
    throw invalid("tasks must be a list of { name, queue?, payload? }");
  const byKey = new Map<string, TaskDefinition>();
  definitions.forEach((definition: TaskDefinition, index) => {
    const name = nameOf(definition?.name, `tasks[${index}].name`);
    const queue = nameOf(definition.queue ?? DEFAULT_QUEUE, `tasks[${index}].queue`);
    if (byKey.has(`${queue}/${name}`)) {
      throw invalid(`tasks[${index}] is the task "${name}" of the queue "${queue}" once more`);
    }
    byKey.set(`${queue}/${name}`, definition);
  });
  const check = (queue: string, name: string): TaskDefinition => {
    const found = byKey.get(`${queue}/${name}`);
    if (found) return found;
    const there = [...byKey.keys()].join(", ") || "none";
    throw invalid(
      `There is no task "${name}" of the queue "${queue}" among the declared: ${there}`,
    );
  };
  return {
    check: (queue, name) => void check(queue, name),
    async payload(queue, name, payload) {
      const { payload: schema } = check(queue, name);
      if (!schema) return payload;
      const answer = await schema["~standard"].validate(payload);
      if (!answer.issues) return answer.value;
      const issues = answer.issues.map(({ message, path = [] }) => ({
        path: path.map((part) => String(typeof part === "object" ? part.key : part)).join("."),
        message,
      }));
      const [first] = issues;
      throw new OrchestratorError(
        "INPUT_VALIDATION_FAILED",
        `The payload of the task "${name}" is invalid: ${first?.path ? `${first.path}: ` : ""}${first?.message}`,
        { data: { issues } },
      );
    },
  };
}
