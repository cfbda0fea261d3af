export { closeBrowser } from "./browser.ts";
export type { RunnerErrorBody, RunnerErrorCode, RunnerInfo } from "./contract.ts";
export { runRunners } from "./execute.ts";
export type { ExecutionOptions, RunRunnersOptions } from "./execute.ts";
export { createRunnerHandler } from "./handler.ts";
export type { DrainOptions, RunnerHandler } from "./handler.ts";
export { joinOrchestrator } from "./join.ts";
export type { JoinOrchestratorOptions, Membership } from "./join.ts";
export type { RunnerHandlerOptions } from "./options.ts";
export { withPlaywright } from "./playwright.ts";
export type { PlaywrightContext, WithPlaywrightOptions } from "./playwright.ts";
export type {
  JoiningServer,
  Runner,
  RunnerContext,
  RunnerEvent,
  RunnerExecuteReply,
  RunnerExecuteRequest,
  RunnerOutcome,
  RunnerResult,
  RunnerSpec,
  StandardSchema,
} from "../types/index.ts";
