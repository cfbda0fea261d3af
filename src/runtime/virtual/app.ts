import type { AppContext } from "../context.ts";

// Stands for `#orchestrator/virtual/app` where no Nitro build made it.

/** The one context of the app, where this is a Nitro app with our module. */
export const useContext: (() => AppContext) | undefined = undefined as never;
