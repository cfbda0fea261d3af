import { appendFileSync } from "node:fs";

/** Runners as a pod's image has them. */

export async function ok(_ctx, input) {
  return { status: "pass", details: input };
}

export async function fails() {
  return { status: "fail", details: { seen: "white" } };
}

/** Notes in a file that it was executed, so that a test can count. */
export async function counted(ctx, { file, hold = 0 }) {
  appendFileSync(file, `${process.pid}\n`);
  await pause(hold, ctx.signal);
  return { status: "pass" };
}

/** Goes on until it is stopped, and notes that it was. */
export async function endless(ctx, { file }) {
  ctx.checkpoint("begun");
  await pause(600_000, ctx.signal);
  appendFileSync(file, "stopped\n");
  return { status: "pass" };
}

export async function crashes() {
  console.log("about to end");
  process.exit(3);
}

export async function tells(ctx) {
  ctx.checkpoint("loaded", { at: "once" });
  ctx.log("half-way", { share: 0.5 });
  ctx.checkpoint("done");
  return { status: "pass" };
}

/** Prints what looks like an answer, leaves lines unfinished, and looks for what could forge one. */
export async function hostile() {
  console.log(
    'orchestrator 00 1.1/1 {"answer":{"status":200,"body":{"results":[]},"worker":"me"}}',
  );
  console.error("x".repeat(50_000));
  process.stdout.write(`no end of line ${"é".repeat(100_000)}`);
  return { status: "pass", details: { order: process.env.ORCHESTRATOR_ORDER ?? null } };
}

export async function huge(_ctx, { bytes }) {
  return { status: "pass", details: { text: "ü".repeat(bytes / 2) } };
}

function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
