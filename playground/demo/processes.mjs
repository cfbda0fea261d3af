import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/** Children of the demo, and the one place that starts and stops them. */
export function createProcesses() {
  const running = new Set();
  let stopping = false;

  /** Starts `node …args`; its output is kept for the message should it fail. */
  function start(name, args, options = {}) {
    if (stopping) throw new Error(`${name} is not started any more`);
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
    const started = { name, child, output: "", exited: once(child, "close") };
    running.add(started);
    started.exited.finally(() => running.delete(started));
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => {
        started.output = (started.output + text).slice(-20_000);
      });
    }
    return started;
  }

  return {
    start,

    /** Runs `node …args` to its end; rejects with the end of its output unless it exits with 0. */
    async run(name, args, options) {
      const started = start(name, args, options);
      const [code, signal] = await started.exited;
      if (code !== 0) throw failure(started, `ended with ${signal ?? `exit code ${code}`}`);
    },

    /** Starts a built server on a free port and answers when it listens. */
    async serve(name, entry, { env, cwd, onLine = () => undefined }) {
      const started = start(name, [entry], {
        cwd,
        env: { ...serverEnv(), ...env, HOST: "127.0.0.1", PORT: "0" },
      });
      const origin = await new Promise((resolve, reject) => {
        createInterface({ input: started.child.stdout }).on("line", (line) => {
          const listening = /Listening on:.*?(http:\/\/[\d.]+:\d+)/.exec(line);
          if (listening) resolve(listening[1]);
          else onLine(line);
        });
        started.exited.then(() => reject(failure(started, "ended before it listened")));
      });
      return { ...started, origin };
    },

    /** Asks all to end, and makes those end that have not after three seconds. */
    async stopAll() {
      stopping = true;
      const all = [...running];
      for (const { child } of all) child.kill("SIGTERM");
      const force = setTimeout(() => {
        for (const { child } of all) child.kill("SIGKILL");
      }, 3000);
      await Promise.all(all.map(({ exited }) => exited));
      clearTimeout(force);
    },
  };
}

/** Nitro leaves its shutdown hooks out where `CI` or `TEST` is set; the servers must drain here too. */
function serverEnv() {
  const { CI: _ci, TEST: _test, ORCHESTRATOR_REGISTRY: _registry, ...env } = process.env;
  return env;
}

function failure({ name, output }, what) {
  return new Error(`${name} ${what}.${output ? ` Its last output:\n${output.slice(-2000)}` : ""}`);
}
