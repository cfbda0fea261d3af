import type { RunnerContext, RunnerOutcome } from "@runners/orchestrator/runner";
import { z } from "zod";

export const httpStatusTestInputSchema = z.object({
  url: z.url({ protocol: /^https?$/ }),
  status: z.int().min(100).max(599).default(200).describe("The status to expect"),
});

/** Passes when the url answers with the expected status. */
export async function httpStatusTest(
  ctx: RunnerContext,
  { url, status }: z.infer<typeof httpStatusTestInputSchema>,
): Promise<RunnerOutcome> {
  "use runner";

  ctx.log("checking", { url });
  const response = await fetch(url, { redirect: "manual", signal: ctx.signal });
  // The status is all that counts: nobody need send the body.
  await response.body?.cancel();
  return {
    status: response.status === status ? "pass" : "fail",
    details: { expected: status, received: response.status },
  };
}
