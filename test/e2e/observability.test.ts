import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { parse } from "yaml";
import { finished, send, startRun, until } from "../_support/api.ts";
import { root, startServer, type TestServer, workDir } from "../_support/app.ts";
import { createFleet } from "../_support/fleet.ts";
import { lintMetrics, parseMetrics, promtool, valueOf } from "../_support/metrics.ts";
import { passing } from "../_support/runner-server.ts";

const fleet = createFleet();
const traceId = "0af7651916cd43dd8448eb211c80319c";
const traceparent = `00-${traceId}-b7ad6b7169203331-01`;
/** The trace contexts that the runner server was sent, by job. */
const traces = new Map<string, string[]>();
let server: TestServer;
let base: string;

beforeAll(async () => {
  const runner = await fleet.runnerServer(async (received, response) => {
    const { key, attempt, headers } = received;
    const sent = [headers["traceparent"], headers["tracestate"]].join(" ");
    traces.set(key!, [...(traces.get(key!) ?? []), sent]);
    if (attempt === "1" && received.body.url?.endsWith("/flaky")) response.writeHead(500).end("no");
    else await passing(received, response);
  });
  server = await fleet.orchestrator({
    ORCHESTRATOR_LOG_LEVEL: "info",
    PLAYWRIGHT_RUNNERS: JSON.stringify({ eu: runner.url }),
  });
  base = `${server.url}/api/orchestrator`;
});

afterAll(() => fleet.stop());

/** The lines of the log so far. */
function lines(): Record<string, any>[] {
  return server
    .output()
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Record<string, any>);
}

async function scrape(): Promise<string> {
  return (await fetch(`${base}/metrics`)).text();
}

const headers = { traceparent, tracestate: "vendor=1", "x-request-id": "req-1" };
const runOf = (url: string, region = "eu") => ({
  mode: "remote",
  regions: [region],
  runners: [{ name: "check", input: { url } }],
});

describe("a built app", () => {
  test("counts and writes down what a run over regions did, in the trace of its request", async () => {
    const started = await send(base, runOf("https://x.test/flaky"), { headers });
    expect(started.headers.get("x-request-id")).toBe("req-1");
    const { runId } = started.body;
    expect((await send(`${base}/${runId}?wait=20`)).body.state).toBe("completed");
    const [sent] = [...traces.values()];
    expect(sent).toHaveLength(2);
    for (const trace of sent!)
      expect(trace).toMatch(/^00-0af7651916cd43dd8448eb211c80319c-[\da-f]{16}-01 vendor=1$/);
    expect(new Set([...sent!, `${traceparent} vendor=1`]).size).toBe(3);

    await send(base, runOf("https://x.test/", "mars"));
    await until(() => lines().filter(({ msg }) => msg === "run ended").length === 2);
    const about = lines().filter(({ run_id }) => run_id === runId);
    expect(about).toEqual([
      expect.objectContaining({ msg: "run submitted", id: "req-1", workflow: "run" }),
      expect.objectContaining({ msg: "run ended", state: "completed", workflow: "run" }),
    ]);
    expect(lines().find(({ msg }) => msg === "job failed")).toMatchObject({
      level: "info",
      run_id: expect.stringMatching(/^wrun_/),
      job_id: expect.any(String),
      code: "NO_SERVER_AVAILABLE",
      region: "other",
    });
    expect(lines().find(({ id, msg }) => id === "req-1" && msg === "request")).toMatchObject({
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      method: "POST",
      path: "/api/orchestrator",
      status: 200,
      duration_ms: expect.any(Number),
      trace_id: traceId,
    });
  });

  test("carries the trace into a step's attempt, and gives a run without a request's one of its own", async () => {
    traces.clear();
    const job = { url: "https://x.test/", runners: ["check"], region: "eu" };
    const { body } = await send(`${base}/executeSingleRunner`, { job }, { headers });
    await finished(server.url, "executeSingleRunner", body.runId);
    expect([...traces.values()].flat()).toEqual([
      expect.stringMatching(/^00-0af7651916cd43dd8448eb211c80319c-[\da-f]{16}-01 vendor=1$/),
    ]);
    traces.clear();
    const bad = { traceparent: `${traceparent}-more`, tracestate: "vendor=1" };
    const other = await send(`${base}/executeSingleRunner`, { job }, { headers: bad });
    await finished(server.url, "executeSingleRunner", other.body.runId);
    const [trace] = [...traces.values()].flat();
    expect(trace).toMatch(/^00-[\da-f]{32}-[\da-f]{16}-01 $/);
    expect(trace).not.toContain(traceId);
  });

  test("has metrics that pass promtool's rules, and those that its dashboard and its alerts ask for", async () => {
    const runId = await startRun(server.url, "nap", { input: 60_000 });
    await fetch(`${base}/unknown/path/here?token=secret`);
    const stream = new AbortController();
    await fetch(`${base}/runs/${runId}/events`, { signal: stream.signal });
    const streams = async (): Promise<number | undefined> =>
      valueOf(parseMetrics(await scrape()), "orchestrator_event_streams");
    expect(await streams()).toBe(1);
    stream.abort();
    await until(async () => (await streams()) === 0);
    const text = await scrape();
    expect(lintMetrics(text)).toEqual([]);
    expect(promtool(text) ?? "").toBe("");
    expect(text).not.toContain(runId);
    const families = parseMetrics(text);
    const value = (name: string, labels?: Record<string, string>) =>
      valueOf(families, name, labels);
    expect(value("orchestrator_runs_started_total", { workflow: "run" })).toBe(2);
    expect(value("orchestrator_runs_ended_total", { workflow: "run", state: "completed" })).toBe(1);
    expect(value("orchestrator_runs_ended_total", { workflow: "run", state: "failed" })).toBe(1);
    expect(value("orchestrator_jobs_total", { region: "eu", state: "completed" })).toBe(3);
    expect(value("orchestrator_jobs_total", { region: "other", state: "failed" })).toBe(1);
    const served = { region: "eu", server: "eu" };
    expect(value("orchestrator_job_duration_seconds_count", served)).toBe(3);
    expect(value("orchestrator_jobs_in_flight", served)).toBe(0);
    expect(value("orchestrator_server_circuit", { server: "eu", state: "closed" })).toBe(1);
    expect(
      value("orchestrator_runs", { state: "queued" })! +
        value("orchestrator_runs", { state: "running" })!,
    ).toBe(1);
    const events = { route: "/api/orchestrator/runs/:id/events", status_code: "200" };
    expect(value("http_request_duration_seconds_count", events)).toBe(1);
    const unmatched = { route: "unmatched", status_code: "404" };
    expect(value("http_request_duration_seconds_count", unmatched)).toBe(1);

    const names = new Set(
      [...families.values()].flatMap(({ samples }) => samples.map(({ name }) => name)),
    );
    for (const expression of expressions()) {
      const asked = metricsIn(expression);
      expect(asked.length, expression).toBeGreaterThan(0);
      for (const name of asked) expect([...names, "up"], expression).toContain(name);
    }
  });

  test("writes down no query, body or credential", async () => {
    await send(
      `${base}/greet?token=secret-1`,
      { input: { name: "secret-2" } },
      { headers: { authorization: "Bearer secret-3" } },
    );
    await until(() => lines().some(({ path }) => path === "/api/orchestrator/greet"));
    expect(server.output()).not.toContain("secret");
  });
});

test("a level that there is not stops the start with its name; without one an app writes warnings alone", async () => {
  const refused = startServer(inject("fixtureOutput"), workDir(), {
    ORCHESTRATOR_LOG_LEVEL: "loud",
  });
  await expect(refused).rejects.toThrow(
    'cannot start: ORCHESTRATOR_LOG_LEVEL must be one of trace, debug, info, warn, error, fatal, silent (got "loud")',
  );
  const quiet = await fleet.orchestrator();
  await send(`${quiet.url}/api/orchestrator`);
  expect(quiet.output()).not.toContain('"request"');
});

/** What the dashboard and the alerts ask Prometheus. */
function expressions(): string[] {
  const dashboard = JSON.parse(read("deploy/grafana/orchestrator.json"));
  const panels = dashboard.panels.flatMap(({ targets = [] }) =>
    targets.map(({ expr }: any) => expr),
  );
  const { groups } = parse(read("deploy/prometheus/alerts.yml"));
  const rules = groups.flatMap(({ rules }: any) => rules.map(({ expr }: any) => expr));
  const { rule_files, scrape_configs } = parse(read("deploy/prometheus/prometheus.yml"));
  expect(rule_files).toEqual(["alerts.yml"]);
  expect(scrape_configs[0]).toMatchObject({
    job_name: "orchestrator",
    metrics_path: "/metrics",
    static_configs: [{ targets: ["service:7070"] }],
  });
  const { query } = dashboard.templating.list.find(({ type }: any) => type === "query");
  return [...panels, ...rules, query.replace(/^label_values\((\w+),.*$/, "$1")] as string[];
}

/** The metrics that an expression names: words that are no function, label, keyword or text. */
function metricsIn(expression: string): string[] {
  const bare = expression
    .replaceAll(/"[^"]*"/g, "")
    .replaceAll(/\{[^}]*\}|\[[^\]]*\]/g, "")
    .replaceAll(/\b(?:by|without)\s*\([^)]*\)/g, " ");
  const words = [...bare.matchAll(/[a-z_][\w:]*(?!\w*\s*\()/gi)].map(([word]) => word);
  return words.filter((word) => !["or", "and", "unless", "bool"].includes(word));
}

function read(path: string): string {
  return readFileSync(join(root, path), "utf8");
}
