// What a bench leaves behind, processes and folders, and how it is ended and removed on every way out.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("..", import.meta.url));

/** How long a process may take to end by itself when asked to. */
const END_MS = 5000;

// The innermost scope is the last; suites and cells follow one another, so there is only one line of them.
const scopes = [newScope()];
let tidying;

/** Whether the bench was told to end, so that what fails from now on says nothing. */
export const ending = () => tidying !== undefined;

/** Does a piece of work, and ends and removes what it has started, however it went. */
export async function scoped(work) {
  const scope = newScope();
  scopes.push(scope);
  try {
    return await work();
  } finally {
    await endScope(scope);
    scopes.splice(scopes.indexOf(scope), 1);
  }
}

/** A folder that goes with the bench; below the repository, whose packages it finds, unless told otherwise. */
export async function folder(name, parent = join(root, ".tmp")) {
  if (tidying) throw new Error("the bench is ending");
  await mkdir(parent, { recursive: true });
  const dir = await mkdtemp(join(parent, `bench-${name}-`));
  scopes.at(-1).folders.add(dir);
  return dir;
}

/**
 * Starts a process. `ready` is a pattern in its output to wait for; `match` is what was found.
 * Without it, resolves when the process has ended with code 0. `endWith` is the signal that ends it.
 */
export async function start(command, args, options = {}) {
  const { cwd, env = {}, ready, within = 120_000, endWith = "SIGTERM" } = options;
  if (tidying) throw new Error("the bench is ending");
  // A pipe that closes with this process tells hosts that it is gone, however it went.
  const child = spawn(command, args, {
    cwd,
    env: { ...inherited(), ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  const { children } = scopes.at(-1);
  children.set(child, endWith);
  child.once("exit", () => children.delete(child));
  child.stdin.on("error", () => undefined);
  let output = "";
  let serving = false;
  const match = await new Promise((resolve, reject) => {
    const fail = (why) => reject(new Error(`${basename(command)} ${why}:\n${output.slice(-4000)}`));
    const timer = setTimeout(() => {
      fail(`took longer than ${within} ms`);
      child.kill("SIGKILL");
    }, within);
    const done = (found) => {
      clearTimeout(timer);
      resolve(found);
    };
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (chunk) => {
        // Afterwards it is read only so that the process never blocks on a full pipe.
        if (serving) return;
        output = (output + chunk).slice(-100_000);
        const found = ready && output.match(ready);
        serving = Boolean(found);
        if (found) done(found);
      });
    }
    child.once("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.once("close", (code, signal) => {
      if (!ready && code === 0) return done();
      clearTimeout(timer);
      fail(`ended with ${signal ?? code}`);
    });
  });
  return { match, pid: child.pid, stop: () => stop(child, endWith) };
}

/** Runs `host` of a module in a Node process of its own until it prints its address. */
export async function startHost(module, { packages = "", ...options } = {}) {
  const host = join(root, "bench/host.mjs");
  const running = await start(process.execPath, [host, module, packages], {
    ready: /^Listening on (\S+)$/m,
    ...options,
  });
  return running.match[1];
}

export async function freePort() {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Ends every process and removes every folder. */
export function tidy() {
  tidying ??= (async () => {
    for (const scope of scopes.toReversed()) await endScope(scope);
  })();
  return tidying;
}

export function tidyOnExit() {
  for (const [signal, code] of Object.entries({ SIGINT: 130, SIGTERM: 143, SIGHUP: 129 })) {
    process.once(signal, () => {
      console.error(`\n${signal}: stopping and removing what was started`);
      process.exitCode = code;
      void tidy().finally(() => process.exit());
    });
  }
  // The last resort, which cannot wait for anything.
  process.on("exit", () => {
    for (const { children, folders } of scopes) {
      for (const child of children.keys()) child.kill("SIGKILL");
      for (const dir of folders) rmSync(dir, { recursive: true, force: true });
    }
  });
}

function newScope() {
  return { children: new Map(), folders: new Set() };
}

async function endScope({ children, folders }) {
  // The newest first, since it may need the older ones to end in peace.
  for (const [child, signal] of [...children].toReversed()) await stop(child, signal);
  for (const dir of folders) {
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
    folders.delete(dir);
  }
}

async function stop(child, signal) {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const ended = once(child, "exit");
  child.kill(signal);
  const timer = setTimeout(() => child.kill("SIGKILL"), END_MS);
  await ended;
  clearTimeout(timer);
}

/** The environment without what would change the programs measured. */
function inherited() {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) =>
        !/^(?:CI|TEST|NODE_ENV|PORT|HOST)$|^(?:WORKFLOW|ORCHESTRATOR|RESTATE|DBOS|PG)/.test(name),
    ),
  );
}
