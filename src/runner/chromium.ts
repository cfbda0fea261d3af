import { existsSync } from "node:fs";
import type { Browser, LaunchOptions } from "playwright-core";

type Playwright = typeof import("playwright-core");

/** Where a browser is and what it must be started with; without a path, Playwright finds its own. */
interface Found {
  executablePath?: string;
  args?: string[];
}

const variable = "PLAYWRIGHT_CHROMIUM_EXECUTABLE_PATH";

/**
 * Launches headless Chromium: `executablePath`, else the one that
 * `PLAYWRIGHT_CHROMIUM_EXECUTABLE_PATH` names, else Playwright's own, else `@sparticuz/chromium`,
 * else one at the system's usual places.
 *
 * @throws Error saying what to install or to set when there is no playwright-core or no browser.
 */
export async function launchChromium(executablePath?: string): Promise<Browser> {
  const { chromium } = await importPlaywright();
  const found =
    named(executablePath, "options.executablePath") ??
    named(process.env[variable], variable) ??
    ofPlaywright(chromium.executablePath()) ??
    (await ofSparticuz()) ??
    ofSystem();
  if (!found) throw new Error(missingBrowser);
  // No `chromiumSandbox`: Playwright leaves the sandbox off by default, which root needs.
  const options: LaunchOptions = {
    ...found,
    headless: true,
    // Playwright would exit the process at a signal; when it ends is the server's to say.
    handleSIGHUP: false,
    handleSIGINT: false,
    handleSIGTERM: false,
  };
  return whenWritten(() => chromium.launch(options));
}

const missingBrowser = `withPlaywright found no Chromium. Install one with \`npx playwright-core install chromium\` or \`npm install @sparticuz/chromium\`, or set ${variable} to the path of an installed Chrome or Chromium.`;

// A plain import() of a literal, so that a bundler traces the package where it is installed and
// leaves the import alone where it is not.
async function importPlaywright(): Promise<Playwright> {
  try {
    return await import("playwright-core");
  } catch (error) {
    if (!isMissing(error)) throw error;
    throw new Error(
      "withPlaywright needs the package playwright-core, which is not installed. Install it with `npm install playwright-core`.",
      { cause: error },
    );
  }
}

/** A path that somebody asked for: it is used or it is an error, never passed over. */
function named(executablePath: string | undefined, origin: string): Found | undefined {
  if (!executablePath) return undefined;
  if (existsSync(executablePath)) return { executablePath };
  throw new Error(
    `withPlaywright: ${origin} is ${JSON.stringify(executablePath)}, and there is no such file`,
  );
}

/** A browser that `playwright install` fetched, whole or, with `--only-shell`, the headless shell. */
function ofPlaywright(executablePath: string): Found | undefined {
  if (existsSync(executablePath)) return { executablePath };
  const shell = executablePath.replace(
    /([/\\])chromium-(\d+)[/\\].*$/,
    "$1chromium_headless_shell-$2",
  );
  return shell !== executablePath && existsSync(shell) ? {} : undefined;
}

async function ofSparticuz(): Promise<Found | undefined> {
  // Its build is for Linux on x64 alone, and it would unpack itself anywhere.
  if (process.platform !== "linux" || process.arch !== "x64") return undefined;
  try {
    const { default: serverless } = await import("@sparticuz/chromium");
    const executablePath = await serverless.executablePath();
    return { executablePath, args: serverless.args.filter(isWanted) };
  } catch (error) {
    const system = ofSystem();
    if (system || isMissing(error)) return system;
    throw new Error(
      `withPlaywright: @sparticuz/chromium could not unpack its browser. If a Nitro build left its files behind, add "@sparticuz/chromium*" to Nitro's traceDeps; else set ${variable} to the path of another browser. ${String(error)}`,
      { cause: error },
    );
  }
}

/** Leaves out what changes the pages under test, and what breaks a browser with several contexts. */
function isWanted(arg: string): boolean {
  if (arg === "--disable-web-security" || arg === "--allow-running-insecure-content") return false;
  // In a single process, closing one context ends the browser; Lambda allows nothing else.
  return arg !== "--single-process" || process.env.AWS_LAMBDA_FUNCTION_NAME !== undefined;
}

function ofSystem(): Found | undefined {
  const executablePath = systemPaths().find((path) => existsSync(path));
  return executablePath === undefined ? undefined : { executablePath };
}

function systemPaths(): string[] {
  if (process.platform === "darwin") {
    return ["Google Chrome", "Chromium"].map(
      (name) => `/Applications/${name}.app/Contents/MacOS/${name}`,
    );
  }
  if (process.platform === "win32") {
    const { PROGRAMFILES, "PROGRAMFILES(X86)": x86, LOCALAPPDATA } = process.env;
    const roots = [PROGRAMFILES, x86, LOCALAPPDATA].filter((root) => root !== undefined);
    const programs = [
      String.raw`Google\Chrome\Application\chrome.exe`,
      String.raw`Microsoft\Edge\Application\msedge.exe`,
    ];
    return programs.flatMap((program) => roots.map((root) => `${root}\\${program}`));
  }
  return ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"].map(
    (name) => `/usr/bin/${name}`,
  );
}

/** Retries for half a minute while another process is still unpacking the executable. */
async function whenWritten(launch: () => Promise<Browser>): Promise<Browser> {
  const until = performance.now() + 30_000;
  for (;;) {
    try {
      return await launch();
    } catch (error) {
      // Playwright passes the system's error on in its message only.
      const unpacking = error instanceof Error && error.message.includes("ETXTBSY");
      if (!unpacking || performance.now() > until) throw error;
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  }
}

function isMissing(error: unknown): boolean {
  return (error as { code?: unknown } | null)?.code === "ERR_MODULE_NOT_FOUND";
}
