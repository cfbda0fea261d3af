import { OrchestratorError, reasonOf } from "../core/errors.ts";
import { joinOrchestrator, type Membership, type RunnerHandler } from "../runner/index.ts";
import type { Environment } from "./servers.ts";

const known = ["orchestrator", "url", "region", "id", "weight", "capacity", "apiKey"];

/**
 * Joins the orchestrator that `ORCHESTRATOR_JOIN` names, as JSON: `{orchestrator, url, region?, id?, weight?,
 * capacity?, apiKey?}`; nothing where it is not set.
 *
 * @param region the runner server's own
 * @throws OrchestratorError `CONFIG_INVALID`, naming the variable
 */
export function joinFromEnvironment(
  handler: RunnerHandler,
  region: string | undefined,
  env: Environment,
): Membership | undefined {
  const text = env.ORCHESTRATOR_JOIN;
  if (!text?.trim()) return undefined;
  const given = parse(text);
  const other = Object.keys(given).find((key) => !known.includes(key));
  if (other !== undefined) throw invalid(`.${other} is not known. Known: ${known.join(", ")}`);
  const { orchestrator, apiKey, ...server } = given;
  if (server.region === undefined && region === undefined) {
    throw invalid(".region is required where ORCHESTRATOR_REGION is not set");
  }
  try {
    return joinOrchestrator({
      orchestrator: orchestrator as string,
      server: { ...(region !== undefined && { region }), ...server } as never,
      handler,
      ...(apiKey !== undefined && { apiKey: apiKey as string }),
    });
  } catch (error) {
    // Its message names the options as code has them.
    const rule = reasonOf(error).replace(/^joinOrchestrator: options\.(?:server\.)?/, ".");
    throw invalid(rule, error);
  }
}

function parse(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      return value as Record<string, unknown>;
    }
  } catch {
    // Node's own message would show what may be a key.
  }
  throw invalid(' must be JSON such as {"orchestrator": "https://…", "url": "https://…"}');
}

function invalid(rule: string, cause?: unknown): OrchestratorError {
  return new OrchestratorError("CONFIG_INVALID", `ORCHESTRATOR_JOIN${rule}`, { cause });
}
