import { definePlugin } from "nitro";
import type { NitroAppPlugin } from "nitro/types";
import { reasonOf } from "../core/errors.ts";
import { runnerRegion, useRunnerHandler } from "./runner-handler.ts";
import { joinFromEnvironment } from "./runner-join.ts";
import { onEndSignalOfNitro } from "./signals.ts";

/** Starts the runner server with the app, so that a bad option stops it, has it join, and drains it at the end. */
const plugin: NitroAppPlugin = definePlugin((nitroApp) => {
  const handler = useRunnerHandler();
  // How long Nitro's server waits for its requests; it reads this when it starts, which is later.
  process.env.SERVER_SHUTDOWN_TIMEOUT ??= "10";
  const seconds = Number.parseInt(process.env.SERVER_SHUTDOWN_TIMEOUT) || 5;
  onEndSignalOfNitro(() => {
    // Connections are cut first: a caller without an answer tries again, one with an error does not.
    void handler.drain({ timeout: (seconds + 1) * 1000 });
  });
  const membership = import.meta.prerender ? undefined : join();
  nitroApp.hooks.hook("close", async () => {
    await Promise.all([membership?.leave(), handler.drain()]);
  });

  function join(): ReturnType<typeof joinFromEnvironment> {
    try {
      return joinFromEnvironment(handler, runnerRegion(), process.env);
    } catch (error) {
      console.error(`[orchestrator] cannot start: ${reasonOf(error)}`);
      process.exit(1);
    }
  }
});

export default plugin;
