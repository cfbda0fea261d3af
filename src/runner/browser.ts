import type { Browser } from "playwright-core";
import { launchChromium } from "./chromium.ts";

/** Browsers of this process by executable; `""` is the one that is found by itself. */
type Browsers = Map<string, Promise<Browser>>;

// On globalThis and not in the module, so that two bundles of this package share one browser.
const slot: unique symbol = Symbol.for("@runners/orchestrator/browsers");

/**
 * The process's browser: launched at the first call, shared by all later ones and by concurrent
 * ones, launched anew after it crashed or a launch failed.
 */
export async function sharedBrowser(executablePath?: string): Promise<Browser> {
  const all = browsers();
  const key = executablePath ?? "";
  const launched = all.get(key);
  if (launched) {
    const browser = await launched;
    if (browser.isConnected()) return browser;
    forget(key, launched);
    return sharedBrowser(executablePath);
  }
  const launching = launchChromium(executablePath);
  all.set(key, launching);
  launching.then(
    (browser) => browser.on("disconnected", () => forget(key, launching)),
    () => forget(key, launching),
  );
  return launching;
}

/**
 * Closes the browsers that `withPlaywright` launched, also those that are just starting. The next
 * `withPlaywright` launches anew. Never rejects.
 */
export async function closeBrowser(): Promise<void> {
  const launched = [...browsers().values()];
  browsers().clear();
  await Promise.allSettled(launched.map(async (browser) => (await browser).close()));
}

function browsers(): Browsers {
  const global = globalThis as { [slot]?: Browsers };
  global[slot] ??= new Map();
  return global[slot];
}

function forget(key: string, launched: Promise<Browser>): void {
  if (browsers().get(key) === launched) browsers().delete(key);
}
