import { expect } from "vitest";
import { isOrchestratorError } from "../../src/core/errors.ts";
import { planJobs } from "../../src/core/run-plan.ts";
import type { PlannedJob, RunMode, RunRequest, RunRunner } from "../../src/types/run.ts";

/** A page under test. */
export const page: string = "https://a.example";
/** A runner of that page. */
export const runner = (name: string, more: Partial<RunRunner> = {}): RunRunner => ({
  name,
  input: { url: page },
  ...more,
});

/** Ids that count up, so that a plan can be written down. */
function counter(): { uuid: () => string } {
  let next = 0;
  return { uuid: () => String(++next) };
}

/** The jobs of a request, with ids that count up. */
export function plan(request: RunRequest, mode: RunMode = "remote"): PlannedJob[] {
  return planJobs(request, mode, counter());
}

/** What a request is refused with: its message and the path of its first issue. */
export function refusal(act: () => unknown): { message: string; path: unknown } {
  try {
    act();
  } catch (error) {
    if (!isOrchestratorError(error)) throw error;
    expect(error.code).toBe("INPUT_VALIDATION_FAILED");
    return { message: error.message, path: (error.data!.issues as [{ path: unknown }])[0].path };
  }
  throw new Error("not refused");
}
