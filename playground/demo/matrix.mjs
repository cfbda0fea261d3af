import { isDeepStrictEqual } from "node:util";
import { regions } from "./jobs.mjs";
import { table } from "./report.mjs";
import { post, request } from "./request.mjs";

/** A region that no server is in, so that the outcome is partial. */
const nowhere = "ap-south-1";

/** What is posted: each runner in each region, without naming any server. */
export function matrixRequest(siteUrl, { withBrowser }) {
  const url = new URL("/with-banner", siteUrl).href;
  const runners = [
    { name: "httpStatusTest", input: { url } },
    { name: "titleTest", input: { url, title: "Bakery" } },
  ];
  if (withBrowser) runners.push({ name: "cookieBannerVisibleTest", input: { url } });
  return { mode: "remote", regions: [...regions, nowhere], runners };
}

/** Starts the run and waits for its end. */
export async function runMatrix(api, body) {
  const { runId } = await post(api, body);
  for (;;) {
    const results = await request(`${api}/${runId}?wait=20`);
    if (results.state !== "queued" && results.state !== "running") return results;
  }
}

/** A row a region, a column a runner. */
export function matrixTable({ runners, regions: all, jobs }, body) {
  const names = body.runners.map(({ name }) => name);
  const rows = Object.keys(all).map((region) => {
    const { server, error } = jobs.find((job) => job.region === region);
    return [region, ...names.map((name) => mark(runners[name][region])), server ?? error];
  });
  return table([["region", ...names, "server"], ...rows], new Set());
}

/** The outcome in a line. */
export function matrixSummary({ outcome, state, summary, jobs }) {
  const { total, passed, failed, errored } = summary;
  const checks = `${total} checks: ${passed} pass, ${failed} fail, ${errored} error`;
  const without = jobs.filter((job) => job.state === "failed").length;
  return `  outcome ${outcome} (state ${state}): ${checks}; ${without} of ${jobs.length} regions without an answer`;
}

/** What differs from what the page and the servers lead to, a line each. */
export function matrixDifferences(results, body) {
  const found = [];
  const expect = (what, actual, expected) => {
    if (isDeepStrictEqual(actual, expected)) return;
    found.push(`${what}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual)}`);
  };
  const checks = body.runners.length * regions.length;
  const summary = { total: checks, passed: checks, failed: 0, errored: 0 };
  expect("outcome over regions", results.outcome, "partial");
  expect("summary over regions", results.summary, summary);
  for (const { region, state } of results.jobs) {
    expect(`state in ${region}`, state, region === nowhere ? "failed" : "completed");
  }
  return found;
}

function mark({ total, passed }) {
  if (total === 0) return "✗ not run";
  return passed === total ? "✓ pass" : "✗ fail";
}
