import { type ArgsDef, type CommandDef, defineCommand } from "citty";
import { defaults } from "../core/settings.ts";
import { resolveHandlerOptions } from "../runtime/handler-options.ts";
import { invalid, numberOf, readOptions } from "./options.ts";
import { loadRunners } from "./runners.ts";
import { startService } from "./service.ts";

const options: ArgsDef = {
  port: {
    type: "string",
    description: "Port to listen on (default 7070; env PORT)",
  },
  host: {
    type: "string",
    description: "Address to listen on (default 127.0.0.1; env HOST)",
  },
  runners: {
    type: "string",
    valueHint: "file",
    description:
      "Module of runner functions for runs in local mode (default runners.mjs, if there)",
  },
  "data-dir": {
    type: "string",
    valueHint: "folder",
    description: "Folder of the store (default .orchestrator; env ORCHESTRATOR_DATA_DIR)",
  },
  route: {
    type: "string",
    valueHint: "path",
    description: `Where the whole API is, beside /runs, /health, /ready and /metrics (default ${defaults.route})`,
  },
  "shutdown-timeout": {
    type: "string",
    valueHint: "ms",
    description: `What attempts in flight may take after SIGTERM (default ${defaults.shutdown.timeout})`,
  },
};

/** `orchestrator serve`: the orchestrator as a service of its own. */
export const serve: CommandDef = defineCommand({
  meta: { name: "serve", description: "Starts the orchestrator as a service of its own" },
  args: options,
  async run({ args }) {
    const given = readOptions("serve", options, args, ["route"]);
    const { PORT: port, HOST: host } = process.env;
    const runners = await loadRunners(given["runners"]);
    await startService({
      settings: resolveHandlerOptions({
        service: true,
        ...(runners && { runners }),
        ...(given["route"] !== undefined && { route: given["route"] }),
        ...(given["data-dir"] !== undefined && { dataDir: given["data-dir"] }),
        ...(given["shutdown-timeout"] !== undefined && {
          shutdown: { timeout: numberOf("--shutdown-timeout", given["shutdown-timeout"]) },
        }),
      }),
      port:
        given["port"] === undefined
          ? portOf("PORT", port || "7070")
          : portOf("--port", given["port"]),
      host: given["host"] ?? (host || "127.0.0.1"),
    });
  },
});

function portOf(name: string, text: string): number {
  const port = numberOf(name, text);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw invalid(`${name} must be a port from 0 to 65535 (got "${text}")`);
}
