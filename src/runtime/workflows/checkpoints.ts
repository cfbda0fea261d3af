import { awaitedToken } from "../../core/awaited.ts";
import { assertCheckpoint } from "../../core/checkpoint.ts";
import { parseDuration } from "../../core/duration.ts";
import { OrchestratorError } from "../../core/errors.ts";
import type { Checkpoint } from "../../types/service.ts";
import { callStep } from "./calls.ts";
import { workflowEngine } from "./engine-slots.ts";

/** How long `awaitCheckpoint` waits. */
export interface AwaitCheckpointOptions {
  /** Milliseconds, or a duration such as `"30s"`, `"2h"` or `"7d"`. @default without end */
  timeout?: number | string;
}

/**
 * Notes a checkpoint of the run: it is kept with it, and told to all who follow it. In a workflow a
 * durable step; in a step of your own it is posted at once, and once however often the step is executed.
 *
 * @param type 1 to 200 characters
 * @param data JSON of at most 65,536 characters
 * @throws OrchestratorError `CONFIG_INVALID` for an argument
 */
export async function checkpoint(type: string, data?: unknown): Promise<void> {
  assertCheckpoint("checkpoint", type, data);
  await callStep("addCheckpoint", [{ type, ...(data !== undefined && { data }) }]);
}

/**
 * Waits for a checkpoint of a type, from a client, a runner or a workflow's own step. Each checkpoint is
 * given to one call: the first call gets the first one of the type, also if that came before the call.
 * Durable: a run may wait for days, and over restarts.
 *
 * @returns the checkpoint, or undefined when the time is up
 * @throws OrchestratorError `CONFIG_INVALID` for an argument, or outside of a workflow
 */
export async function awaitCheckpoint<Data = unknown>(
  type: string,
  { timeout }: AwaitCheckpointOptions = {},
): Promise<(Checkpoint & { data?: Data }) | undefined> {
  assertCheckpoint("awaitCheckpoint", type);
  const { createHook, runId } = workflowEngine("awaitCheckpoint");
  const wait = timeout === undefined ? {} : { deadline: deadlineOf(timeout) };
  const ordinal = takeOrdinal(type);
  const token = awaitedToken({ runId, ordinal, type, ...wait }, ++calls);
  // What ends the wait in time resumes the hook too. A sleep of the engine's would be told as forgotten
  // by a workflow that did not need it in the end.
  const hook = createHook<Checkpoint | null>({ token });
  // The engine stores a hook before it executes a step: what comes after the step has looked finds the hook.
  const known = await callStep<Checkpoint | undefined>("findCheckpoint", [token]);
  const found = known ?? (await hook);
  hook.dispose();
  if (found) return found as Checkpoint & { data?: Data };
  giveBack(type, ordinal);
  return undefined;
}

/** When a wait that begins now is over. The engine gives a replay the time at which it was first. */
function deadlineOf(timeout: unknown): number {
  const milliseconds = parseDuration(timeout);
  if (milliseconds !== undefined) return Math.ceil(Date.now() + milliseconds);
  throw new OrchestratorError(
    "CONFIG_INVALID",
    `awaitCheckpoint: timeout must be milliseconds, or a duration such as "30s", "2h" or "7d" (got ${JSON.stringify(timeout)})`,
  );
}

/** Calls of this replay so far. A replay has a context of its own, so they count alike each time. */
let calls = 0;

/** Which checkpoints of a type are nobody's yet: those given back by calls whose time was up, and all from `next` on. */
const ordinals = new Map<string, { free: number[]; next: number }>();

function takeOrdinal(type: string): number {
  const state = ordinals.get(type) ?? { free: [], next: 1 };
  ordinals.set(type, state);
  return state.free.shift() ?? state.next++;
}

function giveBack(type: string, ordinal: number): void {
  const state = ordinals.get(type)!;
  state.free = [...state.free, ordinal].sort((a, b) => a - b);
}
