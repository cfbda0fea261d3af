import type { Page } from "playwright-core";
import { withPlaywright } from "../../src/runner/index.ts";

/** A docs page, rendered where nothing but loopback can be reached, and what went wrong on it. */
export interface OpenDocs {
  page: Page;
  /** Requests to elsewhere, warnings, errors. */
  problems: string[];
  close(): Promise<void>;
}

/** Opens a docs page in Chromium and waits until it is rendered. */
export async function openDocs(
  address: string,
  context: { colorScheme?: "dark" | "light"; viewport?: { width: number; height: number } } = {},
): Promise<OpenDocs> {
  const opened = await withPlaywright({}, "about:blank", {
    context: { colorScheme: "light", ...context },
  });
  const { page, close } = opened;
  const problems: string[] = [];
  await opened.context.route(/^(?!http:\/\/127\.0\.0\.1:)/, (route) => {
    problems.push(`request to ${route.request().url()}`);
    return route.abort();
  });
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) problems.push(message.text());
  });
  page.on("pageerror", (error) => problems.push(error.message));
  await page.goto(address);
  await page.waitForSelector("main");
  return { page, problems, close };
}

/** How much brighter one `rgb(…)` is than the other, from 1 to 21. */
export function contrast(one: string, other: string): number {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high! + 0.05) / (low! + 0.05);
}

/** The relative luminance of an `rgb(…)`, from 0 to 1. */
export function luminance(color: string): number {
  const [r, g, b] = color.match(/\d+/g)!.map((part) => {
    const value = Number(part) / 255;
    return value <= 0.040_45 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
}
