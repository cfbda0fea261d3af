import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));

test("npm run demo: every check counts although a runner server is killed", async () => {
  const { code, output } = await runDemo();
  expect(code, output).toBe(0);

  expect(output).toContain("killed eu-1 in the middle of a check");
  expect(output).toMatch(/moved from eu-1 to eu-2/);
  const withBrowser = output.includes("A Chromium was found");
  // Where CI is set, a missing browser is a fault and not a reason to check less.
  if (process.env.CI) expect(withBrowser, output).toBe(true);
  const figures = withBrowser ? ["12", "15", "11", "3", "1"] : ["10", "13", "10", "2", "1"];
  const total = withBrowser ? ["24", "30", "22", "6", "2"] : ["20", "26", "20", "4", "2"];
  expect(rowOf(output, "eu-west-1")).toEqual(figures);
  expect(rowOf(output, "us-east-1")).toEqual(figures);
  expect(rowOf(output, "all")).toEqual(total);
  expect(output.trimEnd().split("\n").at(-1)).toContain("npm run dev");
}, 180_000);

/** Runs the demo to its end, whatever it is. */
function runDemo(): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      ["playground/demo.mjs"],
      { cwd: root },
      (_, stdout, stderr) => resolve({ code: child.exitCode ?? -1, output: stdout + stderr }),
    );
  });
}

/** The figures of a row of the summary by region. */
function rowOf(output: string, name: string): string[] | undefined {
  return new RegExp(`^ {2}${name} +(\\d+(?: +\\d+)*)$`, "m").exec(output)?.[1]?.split(/ +/);
}
