import { expect } from "vitest";
import type { World } from "./rule.ts";

const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
let lastTime = 0;
let counter = 0n;

/** A prefixed ULID; later calls sort after earlier ones, also within a millisecond. */
export function newId(prefix: string, time: number = Date.now()): string {
  if (time > lastTime) {
    lastTime = time;
    counter = BigInt(Math.floor(Math.random() * 2 ** 40)) << 30n;
  }
  counter += 1n;
  return `${prefix}_${encode(BigInt(time), 10)}${encode(counter, 16)}`;
}

function encode(value: bigint, length: number): string {
  let text = "";
  for (let rest = value; text.length < length; rest /= 32n) {
    text = crockford[Number(rest % 32n)] + text;
  }
  return text;
}

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function text(value: unknown): string {
  expect(value).toBeInstanceOf(Uint8Array);
  return new TextDecoder().decode(value as Uint8Array);
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

/** Resolves as soon as `condition` holds; fails after `ms`. */
export async function until(condition: () => boolean, ms = 20_000): Promise<void> {
  const end = Date.now() + ms;
  while (!condition()) {
    if (Date.now() > end) {
      throw new Error(`not within ${ms} ms: ${condition}`);
    }
    await sleep(10);
  }
}

/** The name of the error that a call is refused with; the engine knows its errors by name. */
export async function refusal(call: Promise<unknown>): Promise<string> {
  const error = await rejection(call);
  return error.name;
}

export async function rejection(call: Promise<unknown>): Promise<Error & Record<string, unknown>> {
  const outcome = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(outcome, "the call was accepted").toBeInstanceOf(Error);
  return outcome as Error & Record<string, unknown>;
}

/** A call's fields beyond the event's type. */
interface EventFields {
  correlationId?: string;
  specVersion?: number;
  eventData?: Record<string, unknown>;
}

export type Created = Awaited<ReturnType<World["events"]["create"]>>;

/** Appends an event. Rules also say what the engine's types forbid, hence the cast. */
export function append(
  world: World,
  runId: string | null,
  eventType: string,
  fields: EventFields = {},
  params?: Record<string, unknown>,
): Promise<Created> {
  const data = { eventType, specVersion: 3, ...fields };
  return world.events.create(runId as string, data as never, params as never);
}

export function runData(fields: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    deploymentId: "dpl_conformance",
    workflowName: "workflow//./workflows/conformance//work",
    input: bytes("input"),
    ...fields,
  };
}

/** Creates a pending run and names it. */
export async function newRun(world: World, fields: Record<string, unknown> = {}): Promise<string> {
  const { run } = await append(world, null, "run_created", { eventData: runData(fields) });
  return run!.runId;
}

/** Creates a running run and names it. */
export async function runningRun(
  world: World,
  fields: Record<string, unknown> = {},
): Promise<string> {
  const runId = await newRun(world, fields);
  await append(world, runId, "run_started");
  return runId;
}

/** The three ways in which a run ends. */
export const ends: Record<string, Record<string, unknown> | undefined> = {
  run_completed: { output: bytes("output") },
  run_failed: { error: { message: "boom" } },
  run_cancelled: undefined,
};

export function end(world: World, runId: string, eventType: string): Promise<Created> {
  const eventData = ends[eventType];
  return append(world, runId, eventType, eventData && { eventData });
}

export function createStep(world: World, runId: string, stepId: string): Promise<Created> {
  const eventData = { stepName: "step//./workflows/conformance//act", input: bytes("step input") };
  return append(world, runId, "step_created", { correlationId: stepId, eventData });
}

export async function newStep(world: World, runId: string): Promise<string> {
  const stepId = newId("step");
  await createStep(world, runId, stepId);
  return stepId;
}

export function createHook(
  world: World,
  runId: string,
  hookId: string,
  token: string,
  fields: Record<string, unknown> = {},
): Promise<Created> {
  const eventData = { token, isWebhook: false, ...fields };
  return append(world, runId, "hook_created", { correlationId: hookId, eventData });
}

/** Creates a hook under a token of its own, or the one given. */
export async function newHook(
  world: World,
  runId: string,
  token: string = newId("token"),
): Promise<{ hookId: string; token: string }> {
  const hookId = newId("hook");
  await createHook(world, runId, hookId, token);
  return { hookId, token };
}

export type RunEvent = Awaited<ReturnType<World["events"]["get"]>>;

/** An event's own data; the engine types them by the event. */
export function dataOf(event: RunEvent): Record<string, unknown> | undefined {
  return (event as { eventData?: Record<string, unknown> }).eventData;
}

/** A run's whole log, oldest first. */
export async function log(world: World, runId: string): Promise<RunEvent[]> {
  return (await world.events.list({ runId, pagination: { limit: 1000 } })).data;
}

/** The types of a run's events, oldest first. */
export async function history(world: World, runId: string): Promise<string[]> {
  return (await log(world, runId)).map((event) => event.eventType);
}

/** How calls made at once ended: their values and the names of their errors. */
export async function race<T>(
  count: number,
  call: (index: number) => Promise<T>,
): Promise<{ won: T[]; lost: string[] }> {
  const outcomes = await Promise.allSettled(Array.from({ length: count }, (_, i) => call(i)));
  const won: T[] = [];
  const lost: string[] = [];
  for (const outcome of outcomes) {
    if (outcome.status === "fulfilled") {
      won.push(outcome.value);
    } else {
      lost.push((outcome.reason as Error).name);
    }
  }
  return { won, lost };
}
