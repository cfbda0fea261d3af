import type { RunnerContext, RunnerOutcome } from "@runners/orchestrator/runner";
import { z } from "zod";

export const titleTestInputSchema = z.object({
  url: z.url({ protocol: /^https?$/ }),
  title: z.string().min(1).describe("What the page's title must contain"),
});

/** Passes when the page's title contains the expected text; needs no browser. */
export async function titleTest(
  ctx: RunnerContext,
  { url, title }: z.infer<typeof titleTestInputSchema>,
): Promise<RunnerOutcome> {
  "use runner";

  ctx.log("checking", { url });
  const response = await fetch(url, { signal: ctx.signal });
  const html = await response.text();
  const received = /<title[^>]*>([^<]*)<\/title>/i.exec(html)?.[1]?.trim() ?? "";
  return {
    status: received.includes(title) ? "pass" : "fail",
    details: { expected: title, received },
  };
}
