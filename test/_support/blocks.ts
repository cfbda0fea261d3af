import { execFile, execFileSync } from "node:child_process";
import { promisify } from "node:util";
import { expect } from "vitest";

/** A fenced block of a document. */
export interface Block {
  /** The heading of the second level that it stands below. */
  section: string;
  language: string;
  code: string;
  /** From a first line `// path`. */
  file: string | undefined;
}

/** Runs the curl commands of blocks in their order and compares what they print; answers how many there were. */
export async function runCurls(blocks: readonly Block[], url: string): Promise<number> {
  const curls = blocks.filter(
    ({ language, code }) => language === "sh" && code.startsWith("curl "),
  );
  let runId = "";
  for (const { code } of curls) {
    const [command, expected] = code.split(/^# /m) as [string, string];
    const printed = await curl(command.replaceAll(/http:\/\/localhost:(?:3000|7070)/g, url), runId);
    expect(printed, command).toMatch(patternOf(expected.trim()));
    runId = /"runId":"(\w+)"/.exec(printed)?.[1] ?? runId;
  }
  return curls.length;
}

/** The README's output as a pattern, in which `…` is anything. */
function patternOf(text: string): RegExp {
  const parts = text
    .split("…")
    .map((part) => part.replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`));
  return new RegExp(`^${parts.join(".+")}$`, "s");
}

const hasCurl = ((): boolean => {
  try {
    execFileSync("curl", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
})();

/** What a curl command prints; without a curl, what the same request answers. */
async function curl(command: string, runId: string): Promise<string> {
  if (hasCurl) {
    const env = { ...process.env, RUN_ID: runId, NO_PROXY: "*", no_proxy: "*" };
    const { stdout } = await promisify(execFile)("sh", ["-c", command], { env, timeout: 50_000 });
    return stdout;
  }
  const words = wordsOf(command.replaceAll("\\\n", " "), runId).slice(1);
  const valueOf = (flag: string): string | undefined =>
    words.includes(flag) ? words[words.indexOf(flag) + 1] : undefined;
  const [name, value] = valueOf("-H")?.split(": ") ?? [];
  const response = await fetch(
    words.find((word) => word.startsWith("http://"))!,
    {
      method: valueOf("-X") ?? "GET",
      headers: name ? { [name]: value! } : {},
      body: valueOf("-d") ?? null,
      signal: AbortSignal.timeout(50_000),
    },
  );
  return response.text();
}

/** A command's words as a shell sees them, as far as the README goes: quotes and one variable. */
function wordsOf(command: string, runId: string): string[] {
  return [...command.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(
    ([, single, double, bare]) => single ?? (double ?? bare!).replaceAll("$RUN_ID", runId),
  );
}

/** The fenced blocks in their order. */
export function readBlocks(markdown: string): Block[] {
  const found: Block[] = [];
  let section = "";
  for (const [, heading, language, code] of markdown.matchAll(
    /^## ([^\n]+)$|^```(\w*)[^\n]*\n(.*?)^```$/gms,
  )) {
    if (heading !== undefined) section = heading;
    else {
      const file = /^\/\/ (\S+\.m?[jt]s)\n/.exec(code!)?.[1];
      found.push({ section, language: language!, code: code!, file });
    }
  }
  return found;
}
