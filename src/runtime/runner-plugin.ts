import { definePlugin } from "nitro";
import type { NitroAppPlugin } from "nitro/types";
import { useRunnerHandler } from "./runner-handler.ts";

/** Starts the runner server with the app, so that a bad option stops it, and drains it at the end. */
const plugin: NitroAppPlugin = definePlugin((nitroApp) => {
  const handler = useRunnerHandler();
  nitroApp.hooks.hook("close", () => handler.drain());
});

export default plugin;
