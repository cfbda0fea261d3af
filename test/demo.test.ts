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
  const runners = withBrowser ? 3 : 2;
  expect(marksOf(output, "eu-west-1", "eu-2")).toEqual(Array(runners).fill("✓ pass"));
  expect(marksOf(output, "us-east-1", "us-1")).toEqual(Array(runners).fill("✓ pass"));
  const nowhere = 'No runner URL found for region "ap-south-1".';
  expect(marksOf(output, "ap-south-1", nowhere)).toEqual(Array(runners).fill("✗ not run"));
  const checks = `${runners * 2} checks: ${runners * 2} pass, 0 fail, 0 error`;
  expect(output).toContain(`outcome partial (state failed): ${checks}; 1 of 3 regions`);
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

/** The marks of a region's row of the matrix, which ends with its server or the reason why there is none. */
function marksOf(output: string, region: string, end: string): string[] | undefined {
  const row = output
    .split("\n")
    .find(
      (line) => line.startsWith(`  ${region} `) && line.includes(`  ${end}`) && /✓|✗/.test(line),
    );
  return row?.match(/[✓✗] (?:not run|pass|fail)/g)?.map(String);
}

/** The figures of a row of the summary by region. */
function rowOf(output: string, name: string): string[] | undefined {
  return new RegExp(`^ {2}${name} +(\\d+(?: +\\d+)*)$`, "m").exec(output)?.[1]?.split(/ +/);
}
