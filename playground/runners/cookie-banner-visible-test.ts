import {
  type RunnerContext,
  type RunnerOutcome,
  withPlaywright,
} from "@runners/orchestrator/runner";
import { z } from "zod";

export const cookieBannerVisibleTestInputSchema = z.object({
  url: z.url({ protocol: /^https?$/ }),
});

/** Passes when a visitor who comes for the first time sees a cookie banner. */
export async function cookieBannerVisibleTest(
  ctx: RunnerContext,
  { url }: z.infer<typeof cookieBannerVisibleTestInputSchema>,
): Promise<RunnerOutcome> {
  "use runner";

  ctx.log("checking", { url });
  const { page } = await withPlaywright(ctx, url, { waitUntil: "load" });
  const banner = page.getByRole("dialog", { name: /cookie/i });
  const visible = await banner.isVisible();
  return { status: visible ? "pass" : "fail", details: { visible, title: await page.title() } };
}
