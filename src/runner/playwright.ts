import type { Browser, BrowserContext, BrowserContextOptions, Page } from "playwright-core";
import type { RunnerContext } from "../types/index.ts";
import { sharedBrowser } from "./browser.ts";
import { scopeOf } from "./scope.ts";

/** Options of `withPlaywright`. */
export interface WithPlaywrightOptions {
  /** Chromium or Chrome to launch; each path has a shared browser of its own. */
  executablePath?: string;
  /** Options of the fresh browser context: viewport, locale, storage state and so on. */
  context?: BrowserContextOptions;
  /**
   * What the navigation waits for.
   * @default "domcontentloaded"
   */
  waitUntil?: "commit" | "domcontentloaded" | "load" | "networkidle";
  /**
   * Milliseconds the navigation may take; the runner's own time limit counts besides.
   * @default 30000
   */
  timeout?: number;
}

/** A runner's context with a page that is at `url`. */
export type PlaywrightContext<Context> = Context & {
  page: Page;
  /** A fresh one: no cookies, no storage, nothing of another runner. */
  context: BrowserContext;
  /** Shared by all runners of the process: do not close it. */
  browser: Browser;
  url: string;
  /** Closes the context early; when the runner ends it is closed anyway. Idempotent. */
  close: () => Promise<void>;
};

/**
 * Opens `url` in headless Chromium for a runner. The browser is launched once a process, the
 * browser context is fresh at each call and closed when the runner ends, throws or times out.
 * With a context that no runner server made, call `close()` yourself. The browser keeps the process
 * alive until `closeBrowser()` or a handler's `drain()`.
 *
 * @throws Error saying what to install or to set when playwright-core or a browser is missing,
 * TypeError for a url that is not http(s), data or about, and Playwright's error when the
 * navigation fails.
 */
export async function withPlaywright<Context extends Partial<RunnerContext>>(
  ctx: Context,
  url: string,
  options: WithPlaywrightOptions = {},
): Promise<PlaywrightContext<Context>> {
  requireWebUrl(url);
  ctx.signal?.throwIfAborted();
  const { browser, context } = await freshContext(options);
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => (closing ??= context.close());
  scopeOf(ctx)?.defer(close);
  try {
    ctx.signal?.throwIfAborted();
    const page = await context.newPage();
    await page.goto(url, {
      waitUntil: options.waitUntil ?? "domcontentloaded",
      ...(options.timeout !== undefined && { timeout: options.timeout }),
    });
    return { ...ctx, page, context, browser, url, close };
  } catch (error) {
    await close().catch(() => {});
    throw error;
  }
}

/** A new context, on a new browser where the shared one died without our having heard of it. */
async function freshContext(
  options: WithPlaywrightOptions,
): Promise<{ browser: Browser; context: BrowserContext }> {
  const browser = await sharedBrowser(options.executablePath);
  try {
    return { browser, context: await browser.newContext(options.context) };
  } catch (error) {
    if (browser.isConnected()) throw error;
    const again = await sharedBrowser(options.executablePath);
    return { browser: again, context: await again.newContext(options.context) };
  }
}

/** Requests carry the url, and nobody who may send one may read the server's files by it. */
function requireWebUrl(url: string): void {
  const protocol = URL.canParse(url) ? new URL(url).protocol : undefined;
  if (protocol && ["http:", "https:", "data:", "about:"].includes(protocol)) return;
  throw new TypeError(
    `withPlaywright: url must be an absolute http(s), data or about URL (got ${JSON.stringify(url)})`,
  );
}
