import { describe, expect, test } from "vitest";
import { runLimits } from "../../src/core/run-limits.ts";
import type { RunMode, RunRequest } from "../../src/types/run.ts";
import { page, plan, refusal, runner } from "./run-requests.ts";

describe("a request is refused, naming the runner", () => {
  test.each<[string, RunRequest, RunMode, string, unknown]>([
    [
      "a remote runner without a region",
      { runners: [runner("a", { region: "eu" }), runner("x")] },
      "remote",
      `Runner "x" must specify a region when mode is 'remote'`,
      ["runners", 1, "region"],
    ],
    [
      "a remote runner without a url",
      { runners: [{ name: "x", region: "eu" }] },
      "remote",
      `Runner "x" must specify input.url when mode is 'remote'`,
      ["runners", 0, "input", "url"],
    ],
    [
      "a local runner without a url",
      { runners: [{ name: "größe", input: { depth: 1 } }] },
      "local",
      `Runner "größe" must specify input.url when mode is 'local'`,
      ["runners", 0, "input", "url"],
    ],
    [
      "region beside regions",
      { runners: [runner("x", { region: "eu", regions: ["us"] })] },
      "remote",
      `Runner "x" must have region or regions, not both`,
      ["runners", 0, "regions"],
    ],
    [
      "a region named twice",
      { runners: [runner("x")], regions: ["eu", "us", "eu"] },
      "remote",
      `regions must differ: "eu" is named twice`,
      ["regions", 2],
    ],
    [
      "a runner's region named twice",
      { runners: [runner("x", { regions: ["eu", "eu"] })] },
      "remote",
      `regions must differ: "eu" is named twice`,
      ["runners", 0, "regions", 1],
    ],
    [
      "regions in local mode",
      { runners: [runner("x")], regions: ["eu"] },
      "local",
      "regions cannot be used when mode is 'local'",
      ["regions"],
    ],
    [
      "a runner's regions in local mode",
      { runners: [runner("a"), runner("x", { regions: ["eu"] })] },
      "local",
      "regions cannot be used when mode is 'local'",
      ["runners", 1, "regions"],
    ],
  ])("%s", (_what, request, mode, message, path) => {
    expect(refusal(() => plan(request, mode))).toEqual({ message, path });
  });

  test.each([
    ["a path", "/a"],
    ["another protocol", "file:///etc/passwd"],
    ["a script", "javascript:alert(1)"],
    ["nothing after the protocol", "https://"],
    ["a number", 7],
    ["a list", [page]],
    ["null", null],
    ["a lone word", "a.example"],
  ])("a url that is %s", (_what, url) => {
    const runners = [runner("x", { region: "eu", input: { url } })];
    expect(refusal(() => plan({ runners }))).toEqual({
      message: `Runner "x" must have an absolute http(s) URL as its input.url`,
      path: ["runners", 0, "input", "url"],
    });
  });

  test("an inherited url is none", () => {
    const input = Object.create({ url: page }) as Record<string, unknown>;
    expect(refusal(() => plan({ runners: [runner("x", { input, region: "eu" })] })).path).toEqual([
      "runners",
      0,
      "input",
      "url",
    ]);
  });

  test("one that multiplies into too many executions, before they are made", () => {
    const regions = Array.from({ length: runLimits.regions }, (_, n) => `r${n}`);
    const runners = Array.from({ length: runLimits.runners }, () => runner("x"));
    const before = performance.now();
    expect(refusal(() => plan({ runners, regions })).message).toBe(
      "runners over all regions must be at most 100000 (got 20000000)",
    );
    expect(performance.now() - before).toBeLessThan(1000);
  });

  test("one whose inputs multiply into too much text", () => {
    const regions = Array.from({ length: 100 }, (_, n) => `r${n}`);
    const input = { url: page, text: "x".repeat(200_000) };
    expect(refusal(() => plan({ runners: [runner("x", { input })], regions })).message).toMatch(
      /^runners over all regions must have at most 16777216 characters of input/,
    );
  });
});
