import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";

/** A child process whose output is kept. */
export interface Running {
  child: ChildProcess;
  /** All it has printed so far. */
  output(): string;
  /** Resolves with the first match in the output, or rejects when the process ends or time is up. */
  printed(pattern: RegExp, ms?: number): Promise<RegExpMatchArray>;
  /** Sends a signal and waits for the end; answers with the exit code, or the signal that ended it. */
  stop(signal?: NodeJS.Signals): Promise<number | NodeJS.Signals | null>;
}

const started = new Set<ChildProcess>();

// A test file that fails half-way must not leave servers behind.
process.on("exit", () => {
  for (const child of started) child.kill("SIGKILL");
});

/** Starts a Node process with a clean environment: Nitro's shutdown hook is off where `CI` or `TEST` is set. */
export function startNode(args: string[], cwd: string, env: Record<string, string> = {}): Running {
  return startProcess(process.execPath, args, cwd, env);
}

/** Starts a program in the same way. */
export function startProcess(
  program: string,
  args: string[],
  cwd: string,
  env: Record<string, string> = {},
): Running {
  const { CI: _ci, TEST: _test, VITEST: _vitest, NODE_ENV: _nodeEnv, ...inherited } = process.env;
  const child = spawn(program, args, {
    cwd,
    env: { ...inherited, NO_COLOR: "1", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  started.add(child);
  child.once("exit", () => started.delete(child));
  let text = "";
  const waiters = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
      for (const check of waiters) check();
    });
  }
  return {
    child,
    output: () => text,
    printed: (pattern, ms = 60_000) =>
      new Promise((resolve, reject) => {
        const settle = (): void => {
          clearTimeout(timer);
          waiters.delete(check);
          child.off("close", ended);
        };
        const check = (): void => {
          const match = text.match(pattern);
          if (!match) return;
          settle();
          resolve(match);
        };
        const ended = (): void => {
          check();
          settle();
          reject(new Error(`process ended without printing ${pattern}:\n${text}`));
        };
        const timer = setTimeout(() => {
          settle();
          reject(new Error(`not printed within ${ms} ms: ${pattern}\n${text}`));
        }, ms);
        waiters.add(check);
        child.once("close", ended);
        check();
      }),
    async stop(signal = "SIGTERM") {
      if (child.exitCode !== null || child.signalCode !== null)
        return child.exitCode ?? child.signalCode;
      const exit = once(child, "exit");
      child.kill(signal);
      await exit;
      return child.exitCode ?? child.signalCode;
    },
  };
}

/** Runs a Node process to its end. */
export async function runNode(
  args: string[],
  cwd: string,
  env: Record<string, string> = {},
): Promise<{ code: number | null; output: string }> {
  const running = startNode(args, cwd, env);
  const [code] = (await once(running.child, "close")) as [number | null];
  return { code, output: running.output() };
}

/** A port on loopback that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
