import { isDeepStrictEqual } from "node:util";
import { expectedStatuses, expectedSummary, nameOf, regions, shortName } from "./jobs.mjs";
import { servers, victim } from "./fleet.mjs";

/** The aggregate as a table: a row a job. */
export function jobTable(aggregate, jobs) {
  const rows = aggregate.jobs.map((job, index) => [
    shortName(jobs[index]),
    job.region,
    job.server ?? "-",
    jobs[index].runners.map(nameOf).join(", "),
    job.results.map(({ status }) => status).join(", ") || job.state,
    String(job.attempts?.length ?? 0),
    `${job.durationMs ?? "-"} ms`,
  ]);
  const head = ["job", "region", "server", "checks", "result", "attempts", "time"];
  return table([head, ...rows], new Set([5, 6]));
}

/** The summary: a row a region, and the sum. */
export function regionTable({ regions, summary, jobs }) {
  const row = (name, count, { total, passed, failed, errored }) =>
    [name, count, total, passed, failed, errored].map(String);
  return table(
    [
      ["region", "jobs", "checks", "pass", "fail", "error"],
      ...Object.entries(regions).map(([name, region]) => row(name, region.jobs, region)),
      row("all", jobs.length, summary),
    ],
    new Set([1, 2, 3, 4, 5]),
  );
}

/** Jobs that one server could not answer and another did. */
export function movedJobs(aggregate) {
  return aggregate.jobs.filter(({ server, attempts = [] }) =>
    attempts.some((attempt) => attempt.server !== server),
  );
}

/** What differs from what the served pages lead to, a line each; nothing when all is as expected. */
export function differences(aggregate, jobs, checks) {
  const found = [];
  const expect = (what, actual, expected) => {
    if (isDeepStrictEqual(actual, expected)) return;
    found.push(`${what}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual)}`);
  };
  expect("state of the run", aggregate.state, "completed");
  expect("jobs", aggregate.jobs.length, jobs.length);
  for (const [index, { jobId, state, error, results }] of aggregate.jobs.entries()) {
    expect(`state of ${jobId}${error ? ` (${error})` : ""}`, state, "completed");
    expect(`id of job ${index + 1}`, jobId, jobs[index].id);
    const names = results.map(({ name }) => name);
    expect(`checks of ${jobId}`, names, jobs[index].runners.map(nameOf));
    const statuses = results.map(({ status }) => status);
    expect(`results of ${jobId}`, statuses, expectedStatuses(jobs[index]));
  }
  expect("summary", aggregate.summary, expectedSummary(jobs));
  for (const region of regions) {
    const own = jobs.filter((job) => job.region === region);
    const { jobs: count, failedJobs, ...summary } = aggregate.regions[region] ?? {};
    expect(`summary of ${region}`, summary, expectedSummary(own));
    expect(`jobs of ${region}`, { count, failedJobs }, { count: own.length, failedJobs: 0 });
  }
  const moved = movedJobs(aggregate);
  expect("a job moved to another server", moved.length > 0, true);
  for (const { jobId, attempts } of moved) {
    const failed = attempts.filter(({ outcome }) => outcome === "failed");
    const at = [...new Set(failed.map(({ server }) => server))];
    expect(`servers that failed ${jobId}`, at, [victim]);
  }
  const logged = new Set(checks.map(({ runner, url }) => `${runner} ${url.href}`));
  const planned = jobs.flatMap(({ runners, url }) => runners.map((one) => `${nameOf(one)} ${url}`));
  const never = planned.filter((check) => !logged.has(check));
  expect("checks that no server logged", never, []);
  expect("checks in a wrong region", strays(aggregate, checks), []);
  return found;
}

/** Work in a wrong region, by the attempts the orchestrator recorded and by the servers' own logs. */
function strays(aggregate, checks) {
  const regionOf = new Map(servers.map(({ id, region }) => [id, region]));
  const attempts = aggregate.jobs.flatMap(({ jobId, region, attempts = [] }) =>
    attempts
      .filter(({ server }) => regionOf.get(server) !== region)
      .map(({ server }) => `${jobId} on ${server}`),
  );
  const logged = checks
    .filter(({ region, url }) => url.searchParams.get("for") !== region)
    .map(({ server, url }) => `${url.href} on ${server}`);
  return [...attempts, ...logged];
}

/** Columns as wide as their widest cell; `right` are the columns of numbers. */
export function table(rows, right) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) =>
        right.has(column) ? cell.padStart(widths[column]) : cell.padEnd(widths[column]),
      )
      .join("  "),
  );
  const rule = widths.map((width) => "─".repeat(width)).join("  ");
  return [lines[0], rule, ...lines.slice(1)].map((line) => `  ${line}`.trimEnd()).join("\n");
}
