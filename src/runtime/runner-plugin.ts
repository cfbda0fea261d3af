import { definePlugin } from "nitro";
import type { NitroAppPlugin } from "nitro/types";
import { useRunnerHandler } from "./runner-handler.ts";
import { onEndSignalOfNitro } from "./signals.ts";

/** Starts the runner server with the app, so that a bad option stops it, and drains it at the end. */
const plugin: NitroAppPlugin = definePlugin((nitroApp) => {
  const handler = useRunnerHandler();
  // How long Nitro's server waits for its requests; it reads this when it starts, which is later.
  process.env.SERVER_SHUTDOWN_TIMEOUT ??= "10";
  const seconds = Number.parseInt(process.env.SERVER_SHUTDOWN_TIMEOUT) || 5;
  onEndSignalOfNitro(() => {
    // Connections are cut first: a caller without an answer tries again, one with an error does not.
    void handler.drain({ timeout: (seconds + 1) * 1000 });
  });
  nitroApp.hooks.hook("close", () => handler.drain());
});

export default plugin;
