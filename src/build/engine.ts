import type { Nitro, NitroModule } from "nitro/types";

const queueRoutes = {
  flow: "/.well-known/workflow/v1/flow",
  step: "/.well-known/workflow/v1/step",
};

/** The engine's module as installed in an app. */
export interface InstalledEngine {
  /** Virtual ids of the handlers that its queue routes had. */
  handlers: { flow: string; step: string };
  /** Compiles workflows and steps again, after a change in dev. */
  rebuild(): Promise<void>;
}

/**
 * Adds the engine's module unless the app has it, and puts `guard` in the place of its queue routes,
 * which would start any workflow for anybody who asks.
 */
export async function installEngine(nitro: Nitro, guard: string): Promise<InstalledEngine> {
  const rebuilds: (() => unknown)[] = [];
  if (!handlerOf(nitro, queueRoutes.flow)) {
    if (nitro.options.modules?.some((entry) => entry === "workflow/nitro")) {
      throw new Error(
        '[orchestrator] "workflow/nitro" stands after @runners/orchestrator/nitro in `modules`: move it before, or remove it, since ours adds it',
      );
    }
    await setupEngine(nitro, rebuilds);
  }
  return {
    handlers: {
      flow: replace(nitro, queueRoutes.flow, guard),
      step: replace(nitro, queueRoutes.step, guard),
    },
    async rebuild() {
      // Set up by the app itself, the engine rebuilds with everything else that listens to a reload.
      if (rebuilds.length === 0) await nitro.hooks.callHook("dev:reload");
      for (const rebuild of rebuilds) await rebuild();
    },
  };
}

/** Runs the engine's setup and notes what it would do at a reload, so that it can be done without one. */
async function setupEngine(nitro: Nitro, rebuilds: (() => unknown)[]): Promise<void> {
  const { default: engine } = (await import("workflow/nitro")) as unknown as {
    default: NitroModule;
  };
  const { hook } = nitro.hooks;
  nitro.hooks.hook = function (this: typeof nitro.hooks, name, fn, options) {
    if (name === "dev:reload") rebuilds.push(fn as () => unknown);
    const first = name === "build:before" && nitro.options.dev;
    const registered = first ? reported(nitro, fn as () => Promise<void>) : fn;
    return hook.call(nitro.hooks, name, registered as never, options);
  } as typeof hook;
  try {
    await engine.setup(nitro);
  } finally {
    nitro.hooks.hook = hook;
  }
}

/** A fault in a workflow must not end dev before it has begun: it is mended there. */
function reported(nitro: Nitro, build: () => Promise<void>): () => Promise<void> {
  return async () => {
    try {
      await build();
    } catch (error) {
      nitro.logger.error(error instanceof Error ? error.message : error);
    }
  };
}

function handlerOf(nitro: Nitro, route: string): { handler: string } | undefined {
  return nitro.options.handlers.find((entry) => entry.route === route);
}

function replace(nitro: Nitro, route: string, guard: string): string {
  const entry = handlerOf(nitro, route);
  if (!entry) {
    throw new Error(
      `[orchestrator] the installed workflow package registers no route ${route}: this version of it is not supported`,
    );
  }
  const { handler } = entry;
  entry.handler = guard;
  return handler;
}
