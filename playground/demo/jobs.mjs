import { pages } from "./site.mjs";

export const regions = ["eu-west-1", "us-east-1"];

/** Slow jobs a region gets: enough that one is in flight on every server when one is killed. */
const slowJobs = 6;

const quick = [
  {
    path: "/with-banner",
    runners: ["httpStatusTest", { name: "titleTest", input: { title: "Bakery" } }],
  },
  {
    path: "/without-banner",
    runners: ["httpStatusTest", { name: "titleTest", input: { title: "Bakery" } }],
  },
  {
    path: "/broken",
    runners: ["httpStatusTest", { name: "httpStatusTest", input: { status: 503 } }],
  },
  { path: "/hangs-up", runners: ["httpStatusTest"] },
];
const browser = [
  { path: "/with-banner", runners: ["cookieBannerVisibleTest"] },
  { path: "/without-banner", runners: ["cookieBannerVisibleTest"] },
];
const slow = Array.from({ length: slowJobs }, (_, index) => ({
  path: `/slow?n=${index + 1}`,
  runners: ["httpStatusTest"],
}));

/** The jobs of the demo: each plan in every region, the slow ones last. */
export function makeJobs(siteUrl, { withBrowser }) {
  const plans = [...(withBrowser ? browser : []), ...quick, ...slow];
  return plans.flatMap(({ path, runners }) =>
    regions.map((region) => {
      const url = new URL(path, siteUrl);
      // The page says what region it was meant for, so that a check shows where it really ran.
      url.searchParams.set("for", region);
      return {
        id: [region, path, ...runners.map(nameOf)].join(" "),
        url: url.href,
        region,
        runners,
      };
    }),
  );
}

/** The page and, for one of several alike, its number: what a reader knows a job by. */
export function shortName({ url }) {
  const { pathname, searchParams } = new URL(url);
  const number = searchParams.get("n");
  return number ? `${pathname} ${number}` : pathname;
}

/** A runner's name, however it was written. */
export function nameOf(runner) {
  return typeof runner === "string" ? runner : runner.name;
}

/** Checks of these jobs. */
export function countChecks(jobs) {
  return jobs.reduce((sum, { runners }) => sum + runners.length, 0);
}

/** The results that the served pages lead to, counted as the aggregate counts them. */
export function expectedSummary(jobs) {
  const statuses = jobs.flatMap(expectedStatuses);
  const count = (status) => statuses.filter((one) => one === status).length;
  return {
    total: statuses.length,
    passed: count("pass"),
    failed: count("fail"),
    errored: count("error"),
  };
}

/** The statuses of one job's checks, in order. */
export function expectedStatuses(job) {
  return job.runners.map((runner) => expectedStatus(job, runner));
}

function expectedStatus(job, runner) {
  const page = pages[new URL(job.url).pathname];
  if (page.hangsUp) return "error";
  const passes = {
    httpStatusTest: () => page.status === (runner.input?.status ?? 200),
    titleTest: () => page.title.includes(runner.input.title),
    cookieBannerVisibleTest: () => page.banner,
  };
  return passes[nameOf(runner)]() ? "pass" : "fail";
}
