import { closeBrowser, withPlaywright } from "@runners/orchestrator/runner";

/** Why browser checks cannot run here; `undefined` when they can. Tried by the runners' own way to a browser. */
export async function whyNoBrowser() {
  try {
    await withPlaywright({}, "about:blank");
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message.split("\n")[0] : String(error);
  } finally {
    await closeBrowser();
  }
}
