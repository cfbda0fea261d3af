import { stripVTControlCharacters } from "node:util";
import { defineCommand, renderUsage, runCommand } from "citty";
import { version } from "../core/version.ts";
import { reasonOf } from "../core/errors.ts";
import { serve } from "./serve.ts";
import { worker } from "./worker.ts";

const commands = { serve, worker };

const orchestrator = defineCommand({
  meta: {
    name: "orchestrator",
    version,
    description: "Runs checks across regions, durably and over HTTP",
  },
  subCommands: commands,
});

/** The `orchestrator` command; whatever stops it is one line on stderr, and exit code 1. */
export async function main(args: string[]): Promise<void> {
  try {
    await run(args);
  } catch (error) {
    const line = stripVTControlCharacters(reasonOf(error)).replaceAll(/\s*\n\s*/g, " ");
    console.error(`[orchestrator] ${line}`);
    process.exit(1);
  }
}

async function run(args: string[]): Promise<void> {
  const [first = ""] = args;
  const command = isCommand(first) ? commands[first] : undefined;
  if (args.some((arg) => arg === "--help" || arg === "-h")) {
    const usage = await (command ? renderUsage(command, orchestrator) : renderUsage(orchestrator));
    return console.log(process.stdout.isTTY ? usage : stripVTControlCharacters(usage));
  }
  if (first === "--version" || first === "-v") return console.log(version);
  if (!command) {
    const what = first === "" ? "No command was given" : `Unknown command "${first}"`;
    const names = Object.keys(commands).join(", ");
    throw new Error(`${what}. Known: ${names}; \`orchestrator --help\` says more`);
  }
  await runCommand(command, { rawArgs: args.slice(1) });
}

function isCommand(name: string): name is keyof typeof commands {
  return Object.hasOwn(commands, name);
}
