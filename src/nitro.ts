import { fileURLToPath } from "node:url";
import type { Nitro, NitroModule } from "nitro/types";
import { dirname, join } from "pathe";
import { OrchestratorBuilder } from "./build/builder.ts";
import { type InstalledEngine, installEngine } from "./build/engine.ts";
import { discoverRunners } from "./build/runners.ts";
import { appTemplate } from "./build/virtual/app.ts";
import { engineTemplate } from "./build/virtual/engine.ts";
import { manifestTemplate } from "./build/virtual/manifest.ts";
import { optionsTemplate } from "./build/virtual/options.ts";
import { runnersTemplate, type RunnerImport } from "./build/virtual/runners.ts";
import { watchSources } from "./build/watch.ts";
import { addStandIn } from "./build/world-stand-in.ts";
import { resolveConfig } from "./config.ts";
import type { OrchestratorConfig, OrchestratorOptions } from "./types/config.ts";

export type { OrchestratorConfig } from "./types/config.ts";
export { OrchestratorBuilder } from "./build/builder.ts";

declare module "nitro/types" {
  interface NitroOptions {
    /** Options of `@runners/orchestrator`. */
    orchestrator?: OrchestratorConfig;
  }
}

/** Turns the app's workflow files into a durable HTTP API; the options are `orchestrator` in `nitro.config.ts`. */
const orchestrator: NitroModule = {
  name: "@runners/orchestrator",
  async setup(nitro) {
    if (!nitro.routing) throw new Error("[orchestrator] this module needs Nitro 3");
    const { rootDir, buildDir, dev, baseURL } = nitro.options;
    const options = resolveConfig(nitro.options.orchestrator, rootDir);
    const engine = await installEngine(nitro, runtimeFile("engine-guard"));
    const builder = new OrchestratorBuilder({
      rootDir,
      buildDir,
      patterns: options.pattern,
      warn: (message) => nitro.logger.warn(`[orchestrator] ${message}`),
    });
    bundleRuntime(nitro);
    // It is loaded where it lies, since it is large and few need it.
    if (options.executors.kubernetes) traceDependency(nitro, "@kubernetes/client-node");
    const { virtual, handlers, plugins } = nitro.options;
    virtual["#orchestrator/virtual/app"] = appTemplate(runtimeFile("app"));
    virtual["#orchestrator/virtual/engine"] = engineTemplate(engine.handlers);
    virtual["#orchestrator/virtual/options"] = optionsTemplate(mounted(options, baseURL));
    virtual["#orchestrator/virtual/manifest"] = manifestTemplate(builder.outfile, dev);
    plugins.push(runtimeFile("plugin"));
    handlers.push({ route: options.route, handler: runtimeFile("handler") });
    handlers.push({ route: `${options.route}/**`, handler: runtimeFile("handler") });
    if (options.service !== false) {
      for (const path of ["/runs", "/runs/**", "/health", "/ready", "/metrics"]) {
        handlers.push({ route: options.service + path, handler: runtimeFile("handler") });
      }
    }
    const refreshRunners = options.runners ? addRunners(nitro, options.runners) : undefined;
    nitro.hooks.hook("build:before", async () => {
      const build = async (): Promise<void> => {
        await refreshRunners?.();
        await builder.build();
      };
      if (!dev) return build();
      // Dev starts on whatever there is, and picks up from there.
      await builder.write([]);
      await reporting(nitro, build);
    });
    if (dev) followChanges(nitro, options, engine, builder, refreshRunners);
    else if (options.world.type === "embedded") {
      nitro.hooks.hook("rollup:before", (_nitro, config) => addStandIn(config));
    }
  },
};

export default orchestrator;

/** In dev takes in what is added, changed, renamed and removed, without a restart. */
function followChanges(
  nitro: Nitro,
  options: OrchestratorOptions,
  engine: InstalledEngine,
  builder: OrchestratorBuilder,
  refreshRunners: (() => Promise<boolean>) | undefined,
): void {
  const { rootDir } = nitro.options;
  // The engine compiles anew at each reload of the app, and may do so only then.
  nitro.hooks.hook("dev:reload", () => reporting(nitro, async () => void (await builder.build())));
  const workflows = watchSources(rootDir, options.pattern, () =>
    reporting(nitro, async () => {
      const found = await builder.scan();
      // Listed at once; what is new can be started when the engine has compiled it, a second later.
      await builder.write(found, { final: false });
      await engine.rebuild();
      const names = (await builder.write(found)).map(({ name }) => name);
      nitro.logger.info(`[orchestrator] ${names.length} workflows: ${names.join(", ")}`);
    }),
  );
  const runners =
    options.runners &&
    watchSources(rootDir, options.runners.pattern, () =>
      reporting(nitro, async () => {
        if (await refreshRunners?.()) await nitro.hooks.callHook("rollup:reload");
      }),
    );
  nitro.hooks.hook("close", async () => {
    await Promise.all([workflows.close(), runners && runners.close()]);
  });
}

/** Bundles the app's runners, serves them where that is wanted, and answers with a function that looks for runners anew and tells whether any came or went. */
function addRunners(
  nitro: Nitro,
  runners: Exclude<OrchestratorOptions["runners"], false>,
): () => Promise<boolean> {
  const { virtual, handlers, plugins, rootDir } = nitro.options;
  let imports: RunnerImport[] = [];
  virtual["#orchestrator/virtual/runners"] = () => runnersTemplate(imports);
  // Its browser lies beside its JavaScript, where a bundle would not find it.
  traceDependency(nitro, "@sparticuz/chromium*");
  if (runners.serve) {
    handlers.push({ route: `${runners.route}/**`, handler: runtimeFile("runner-handler") });
    // Before ours, so that runners drain before the process is told to go.
    plugins.unshift(runtimeFile("runner-plugin"));
  }
  return async () => {
    const found = await discoverRunners(rootDir, runners.pattern);
    const changed = JSON.stringify(found) !== JSON.stringify(imports);
    imports = found;
    return changed;
  };
}

/** Has a package copied beside the app instead of bundled. */
function traceDependency(nitro: Nitro, name: string): void {
  nitro.options.traceDeps = [...(nitro.options.traceDeps ?? []), name];
}

/** The options with their routes as requests carry them: below the app's `baseURL`, which Nitro leaves in place. */
function mounted(options: OrchestratorOptions, baseURL: string): OrchestratorOptions {
  const base = baseURL.replace(/\/$/, "");
  return {
    ...options,
    route: base + options.route,
    service: options.service === false ? false : base + options.service,
    runners: options.runners && { ...options.runners, route: base + options.runners.route },
  };
}

/** In dev a fault is printed, and what was good before stays. */
async function reporting(nitro: Nitro, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    nitro.logger.error(error instanceof Error ? error.message : error);
  }
}

/** Dev leaves packages outside the bundle, where our files would find the stubs of the virtual modules. */
function bundleRuntime(nitro: Nitro): void {
  const { options } = nitro;
  if (options.noExternals === true) return;
  options.noExternals = [...(options.noExternals || []), dirname(fileURLToPath(import.meta.url))];
}

/** A file of `runtime/`, which stays unbundled so that the app's own bundler takes it in. */
function runtimeFile(name: string): string {
  return join(fileURLToPath(new URL("./runtime", import.meta.url)), `${name}.mjs`);
}
