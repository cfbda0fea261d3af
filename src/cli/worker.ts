import { type ArgsDef, type CommandDef, defineCommand } from "citty";
import { OrchestratorError } from "../core/errors.ts";
import { workOneOrder } from "./order.ts";
import { loadRunners } from "./runners.ts";

const options: ArgsDef = {
  runners: { type: "string", valueHint: "file", description: "Module of runner functions" },
  order: { type: "boolean", description: "Executes the one order in ORCHESTRATOR_ORDER" },
};

/** `orchestrator worker`: executes runners for an orchestrator, without an inbound port. */
export const worker: CommandDef = defineCommand({
  meta: { name: "worker", description: "Executes runners for an orchestrator" },
  args: options,
  async run({ args }) {
    const runners = await loadRunners(args.runners as string | undefined);
    if (!runners) throw new OrchestratorError("CONFIG_INVALID", "--runners must name a file");
    await workOneOrder(runners);
  },
});
