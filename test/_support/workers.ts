import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { workDir } from "./app.ts";
import { type Running, startNode } from "./process.ts";
import { cli } from "./service.ts";

/** Workers of the `orchestrator` command, in one folder with their runners. */
export interface Workers {
  /** Where they are started, and an orchestrator can be. */
  cwd: string;
  start(args: string[]): Promise<Running>;
  /** What runners have written of pages below a URL, a line each: `<what> <page> <worker's process>`. */
  lines(below: string): string[];
  /** Lets runners go on that wait, of pages of this host. */
  open(host: string): void;
  stop(): Promise<void>;
}

/** What each runner does: `check` passes, `gate` begins and waits until it may go on, `tell` notes two checkpoints. */
const runners = `import { appendFileSync, existsSync } from "node:fs";
const note = (what, url) => appendFileSync("lines", \`\${what} \${url} \${process.pid}\\n\`);
export async function check(ctx, { url }) {
  note("check", url);
  return { status: "pass", details: { region: ctx.region ?? "none" } };
}
export async function gate(ctx, { url }) {
  note("begin", url);
  ctx.checkpoint("begun", { url });
  const open = \`open-\${new URL(url).host}\`;
  while (!existsSync(open) && !ctx.signal.aborted) await new Promise((r) => setTimeout(r, 20));
  if (ctx.signal.aborted) {
    note("aborted", url);
    return { status: "fail" };
  }
  note("end", url);
  return { status: "pass" };
}
export async function tell(ctx, { url }) {
  ctx.checkpoint("opened", { url });
  ctx.log("looking at the page");
  ctx.checkpoint("closed");
  return { status: "pass" };
}
`;

/** A folder with runners, in which workers can be started. */
export function createWorkers(): Workers {
  const cwd = workDir();
  const started: Running[] = [];
  mkdirSync(cwd, { recursive: true });
  writeFileSync(join(cwd, "runners.mjs"), runners);
  return {
    cwd,
    async start(args) {
      const worker = startNode([cli, "worker", ...args], cwd);
      started.push(worker);
      await worker.printed(/"message":"pulling"/);
      return worker;
    },
    lines(below) {
      const file = join(cwd, "lines");
      const all = existsSync(file) ? readFileSync(file, "utf8").split("\n") : [];
      return all.filter((line) => line.includes(` ${below}`));
    },
    open: (host) => appendFileSync(join(cwd, `open-${host}`), ""),
    stop: async () => void (await Promise.all(started.map((worker) => worker.stop("SIGKILL")))),
  };
}
