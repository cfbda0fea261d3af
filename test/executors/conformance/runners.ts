import { appendFileSync } from "node:fs";
import type { RunnerContext, RunnerOutcome } from "../../../src/types/runner.ts";

/** What the suite's runners are told: a file that each execution adds a line to, and a number. */
interface Input {
  marker: string;
  count?: number;
}

/** Passes, and says where it was executed. */
export async function pass(ctx: RunnerContext, input: Input): Promise<RunnerOutcome> {
  mark(input, "pass");
  return { status: "pass", details: { region: ctx.region ?? "", runId: ctx.runId ?? "" } };
}

/** A failing result, which is no error. */
export async function fail(_ctx: RunnerContext, input: Input): Promise<RunnerOutcome> {
  mark(input, "fail");
  return { status: "fail", errorMessage: "the title is wrong" };
}

/** Takes until it is aborted. */
export async function hang(ctx: RunnerContext, input: Input): Promise<RunnerOutcome> {
  mark(input, "hang");
  const keepAlive = setInterval(() => {}, 1000);
  await new Promise<void>((resolve) =>
    ctx.signal.addEventListener("abort", () => resolve(), { once: true }),
  );
  clearInterval(keepAlive);
  mark(input, "aborted");
  return { status: "pass" };
}

/** Takes `count` milliseconds. */
export async function slow(_ctx: RunnerContext, input: Input): Promise<RunnerOutcome> {
  mark(input, "slow");
  await new Promise((resolve) => setTimeout(resolve, input.count));
  mark(input, "slept");
  return { status: "pass" };
}

/** Tells `count` checkpoints, each with a line of the log before it. */
export async function tell(ctx: RunnerContext, { count = 0 }: Input): Promise<RunnerOutcome> {
  for (let n = 0; n < count; n++) {
    ctx.log(`line ${n}`);
    ctx.checkpoint("step", { n });
    if (n % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  return { status: "pass" };
}

/** Answers with so many bytes. */
export async function big(_ctx: RunnerContext, { count = 0 }: Input): Promise<RunnerOutcome> {
  return { status: "pass", details: { text: "x".repeat(count) } };
}

/** Takes a number called `age`. */
export async function strict(_ctx: RunnerContext, input: Input): Promise<RunnerOutcome> {
  mark(input, "strict");
  return { status: "pass" };
}

/** A Standard Schema written by hand. */
export const strictInputSchema = {
  "~standard": {
    version: 1,
    vendor: "conformance",
    validate: (value: unknown) =>
      typeof (value as { age?: unknown } | null)?.age === "number"
        ? { value }
        : { issues: [{ message: "must be a number", path: ["age"] }] },
  },
} as const;

function mark({ marker }: Input, text: string): void {
  appendFileSync(marker, `${text}\n`);
}
