import { definePlugin } from "nitro";
import type { NitroAppPlugin } from "nitro/types";
import { useRunnerHandler } from "./runner-handler.ts";

/** Starts the runner server with the app, so that a bad option stops it, and drains it at the end. */
const plugin: NitroAppPlugin = definePlugin((nitroApp) => {
  const handler = useRunnerHandler();
  // How long Nitro's server waits for its requests; it reads this when it starts, which is later.
  process.env.SERVER_SHUTDOWN_TIMEOUT ??= "10";
  const seconds = Number.parseInt(process.env.SERVER_SHUTDOWN_TIMEOUT) || 5;
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.once(signal, () => {
      // Connections are cut first: a caller without an answer tries again, one with an error does not.
      void handler.drain({ timeout: (seconds + 1) * 1000 });
      setImmediate(() => endUnlessHeard(signal));
    });
  }
  nitroApp.hooks.hook("close", () => handler.drain());
});

/** Nitro leaves signals alone where `CI` or `TEST` is set, and listening turned their effect off. */
function endUnlessHeard(signal: NodeJS.Signals): void {
  if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
}

export default plugin;
