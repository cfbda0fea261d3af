import { hydrateResourceIO, observabilityRevivers } from "workflow/observability";
import {
  callbackAttempts,
  callbackDelay,
  type CallbackInput,
  type CallbackMessage,
  type CallbackNews,
  callbackToken,
  parseCallbackToken,
} from "../core/callback.ts";
import { OrchestratorError } from "../core/errors.ts";
import { callbackWorkflowId } from "../core/run-workflow.ts";
import type { OrchestratorOptions } from "../types/config.ts";
import type { LogFields } from "../types/observe.ts";
import type { Callbacks } from "../types/service.ts";
import { deliverOnce, type DeliveryOutcome } from "./callback-delivery.ts";
import { secretProblem } from "./callback-signature.ts";
import { type CallbackTargets, createCallbackTargets } from "./callback-targets.ts";
import { readStored, type World } from "./engine-world.ts";
import { isRunId } from "./engine.ts";
import { type Hook, resumeWaiting } from "./hooks.ts";
import type { InFlight } from "./in-flight.ts";
import type { Starts } from "./starts.ts";

/** What callbacks are made of. */
export interface CallbackParts {
  world: () => World;
  starts: Starts;
  options: OrchestratorOptions["callbacks"];
  env: Record<string, string | undefined>;
  /** What there is to tell of a run, by the engine's id. */
  newsOf: (runId: string) => Promise<CallbackNews>;
  inFlight: Pick<InFlight, "run">;
  /** Told what went wrong; neither a secret nor a URL's path or query is in it. */
  note: (message: string, fields?: LogFields) => void;
}

/** A server's callbacks. */
export interface ServerCallbacks extends Callbacks {
  /**
   * Reads what the options and the environment say.
   *
   * @throws OrchestratorError `CONFIG_INVALID`, naming the option or the variable
   */
  configure(): void;
  /** Wakes who waits for this run's end. */
  ended(runId: string): void;
  /** Wakes a hook's workflow where the run has ended whose end it waits for. */
  wakeDue(hook: Pick<Hook, "token">): Promise<void>;
  /** Resolves when all who are being woken are. */
  close(): Promise<void>;
  /** What there is to tell of a run. */
  read(runId: string): Promise<CallbackNews>;
  /**
   * Tells it once, as the run of this id of the workflow `callback` is to.
   *
   * @returns milliseconds until it is to be told again; null for never
   */
  deliver(callbackRunId: string, message: CallbackMessage, attempt: number): Promise<number | null>;
}

/** Callbacks as runs of a workflow of ours, each of which waits by a hook of the engine's for its run to end. */
export function createCallbacks(parts: CallbackParts): ServerCallbacks {
  const { world, starts, env, newsOf, inFlight, note } = parts;
  const waking = new Set<Promise<void>>();
  let settings: Settings | undefined;

  const current = (): Settings => (settings ??= settingsOf(parts.options, env));

  /** Lets something be done meanwhile; what fails is done by a later sweep. */
  function meanwhile(work: Promise<void>): void {
    const settled = work
      .catch((error: unknown) => note(`callbacks have to wait: ${(error as Error).message}`))
      .finally(() => waking.delete(settled));
    waking.add(settled);
  }

  return {
    configure: () => void current(),
    assertAllowed({ url, secret }) {
      current().targets.assertAllowed(url);
      const problem = secret === undefined ? undefined : secretProblem(secret);
      if (problem === undefined) return;
      throw new OrchestratorError("INPUT_VALIDATION_FAILED", `callback.secret ${problem}`, {
        data: { issues: [{ path: ["callback", "secret"], message: problem }] },
      });
    },
    async register(id, { url, secret }) {
      const runId = isRunId(id) ? id : await starts.find(id);
      if (runId === undefined) throw new Error(`There is no run "${id}" to be called back for`);
      const input: CallbackInput = { runId, url, ...(secret !== undefined && { secret }) };
      await starts.start({
        workflowId: callbackWorkflowId,
        args: [input],
        once: `callback:${runId}`,
      });
    },
    ended: (runId) => meanwhile(resumeWaiting(callbackToken(runId), null)),
    async wakeDue({ token }) {
      const runId = parseCallbackToken(token);
      if (runId === undefined || !(await isOver(world(), runId))) return;
      await resumeWaiting(token, null);
    },
    async close() {
      await Promise.all(waking);
    },
    async read(runId) {
      const news = await newsOf(runId);
      if (news === "gone")
        note(`callback of run ${runId} given up: the run has been removed`, { run_id: runId });
      return news;
    },
    async deliver(callbackRunId, message, attempt) {
      const { targets, secret } = current();
      const input = await readInput(world(), callbackRunId);
      const receiver = { ...input, ...(input.secret === undefined && secret && { secret }) };
      const outcome = await inFlight.run(undefined, ({ signal }) =>
        deliverOnce(receiver, message, { targets, signal }),
      );
      if (outcome.delivered) return null;
      const wait = waitAfter(outcome, attempt);
      const next = wait === undefined ? "given up" : `again in ${Math.round(wait / 1000)} s`;
      note(
        `callback of run ${message.runId} to ${new URL(input.url).host} failed (attempt ${attempt} of ${callbackAttempts}): ${outcome.failure}; ${next}`,
        { run_id: message.runId },
      );
      return wait ?? null;
    },
  };
}

/** What the options and the environment say of callbacks. */
interface Settings {
  targets: CallbackTargets;
  /** Signs where a callback has no secret of its own. */
  secret: string | undefined;
}

function settingsOf(
  options: OrchestratorOptions["callbacks"],
  env: CallbackParts["env"],
): Settings {
  const secret = env.ORCHESTRATOR_WEBHOOK_SECRET || undefined;
  const problem = secret === undefined ? undefined : secretProblem(secret);
  if (problem !== undefined) {
    throw new OrchestratorError("CONFIG_INVALID", `ORCHESTRATOR_WEBHOOK_SECRET ${problem}`);
  }
  return { targets: createCallbackTargets(options, env), secret };
}

function waitAfter(
  { gone, retryAfter }: Extract<DeliveryOutcome, { delivered: false }>,
  attempt: number,
): number | undefined {
  if (gone) return undefined;
  return callbackDelay(attempt, { ...(retryAfter !== undefined && { retryAfter }) });
}

/** Whether a run has ended, or is there no more. */
async function isOver(world: World, runId: string): Promise<boolean> {
  const run = await readStored(world, runId, { resolveData: "none" });
  return run === undefined || (run.status !== "pending" && run.status !== "running");
}

/** What a callback was registered with, read where it is kept, so that its secret is in no other record. */
async function readInput(world: World, callbackRunId: string): Promise<CallbackInput> {
  const run = await world.runs.get(callbackRunId);
  const { input } = hydrateResourceIO(run, observabilityRevivers) as { input: [CallbackInput] };
  return input[0];
}
