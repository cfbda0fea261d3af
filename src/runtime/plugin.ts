import { definePlugin } from "nitro";
import type { NitroAppPlugin } from "nitro/types";
import { reasonOf } from "../core/errors.ts";
import { useContext } from "./app.ts";
import { closeIdleConnections } from "./idle-connections.ts";
import { onEndSignalOfNitro } from "./signals.ts";

/** How long a World may take to close before the process goes all the same. */
const CLOSE_MS = 2000;

const plugin: NitroAppPlugin = definePlugin((nitroApp) => {
  const { ready, drain, close } = useContext();
  // The server closes its connections first, and only then calls the hook below.
  onEndSignalOfNitro(() => {
    closeIdleConnections();
    void drain();
  });
  ready.catch((error: unknown) => {
    console.error(`[orchestrator] cannot start: ${reasonOf(error)}`);
    process.exit(1);
  });
  nitroApp.hooks.hook("close", async () => {
    await drain();
    // Sleeping runs hold timers and sockets that would keep the process alive for as long as they sleep.
    setTimeout(() => process.exit(0), CLOSE_MS).unref();
    await close();
  });
});

export default plugin;
