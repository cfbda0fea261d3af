import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import type { AnsweredRequest, EventStreamCount } from "../types/observe.ts";
import type { RunStateName } from "../types/run.ts";
import type { ServerStatus } from "../types/server.ts";
import { boundedLabel } from "./labels.ts";

/** What is looked at when the metrics are asked for. */
export interface MetricSources {
  /** Jobs that wait for a server, and for how many seconds the first of them has. */
  waiting: () => { jobs: number; oldestSeconds: number };
  servers: () => Promise<readonly ServerStatus[]>;
  /** Runs that have not ended, where the World can count them at once. */
  openRuns?: () => Partial<Record<RunStateName, number>>;
}

/** The server's metrics, in a registry of its own. */
export interface Metrics {
  /** Begins with the process's own, and with what is looked at on demand. */
  start(sources: MetricSources): void;
  request(answered: AnsweredRequest): void;
  runStarted(workflow: string): void;
  runEnded(workflow: string, state: RunStateName): void;
  jobEnded(region: string, state: RunStateName): void;
  jobDuration(region: string, server: string, seconds: number): void;
  queueWait(seconds: number): void;
  /** One attempt more, or one less, is under way. */
  inFlight(region: string, server: string, change: -1 | 1): void;
  eventStreams: EventStreamCount;
  text(): Promise<{ contentType: string; text: string }>;
}

const requestSeconds = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const jobSeconds = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];
const waitSeconds = [0.005, 0.05, 0.25, 1, 2.5, 5, 10, 30, 60, 120, 300, 900];

/** Gauges of prom-client's that are named like counters; `nodejs_active_resources` and the like tell the same. */
const misnamed = ["resources", "handles", "requests"].map((kind) => `nodejs_active_${kind}_total`);

const circuits = ["closed", "half-open", "open"] as const;

/** How long servers may take to be listed while the metrics are asked for. */
const LIST_MS = 1000;

// The process's own, and so are they: what they are measured with, prom-client never lets go of.
let ofProcess: Registry | undefined;

/** The metrics of the process. */
function processRegistry(): Registry {
  if (ofProcess) return ofProcess;
  ofProcess = new Registry();
  collectDefaultMetrics({ register: ofProcess });
  for (const name of misnamed) ofProcess.removeSingleMetric(name);
  return ofProcess;
}

/** Metrics that nobody else's registry has, so that two servers of one process do not clash. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const workflow = boundedLabel(500);
  const region = boundedLabel(100);
  const server = boundedLabel(500);
  const requests = new Histogram({
    name: "http_request_duration_seconds",
    help: "Seconds until a request's answer began, by the pattern of its path.",
    labelNames: ["method", "route", "status_code"],
    buckets: requestSeconds,
    registers,
  });
  const runsStarted = new Counter({
    name: "orchestrator_runs_started_total",
    help: "Runs that were started, by workflow.",
    labelNames: ["workflow"],
    registers,
  });
  const runsEnded = new Counter({
    name: "orchestrator_runs_ended_total",
    help: "Runs that ended, by workflow and state.",
    labelNames: ["workflow", "state"],
    registers,
  });
  const jobs = new Counter({
    name: "orchestrator_jobs_total",
    help: "Jobs that ended, by region and state.",
    labelNames: ["region", "state"],
    registers,
  });
  const durations = new Histogram({
    name: "orchestrator_job_duration_seconds",
    help: "Seconds from a job's first attempt to its end, by region and the server of its last attempt.",
    labelNames: ["region", "server"],
    buckets: jobSeconds,
    registers,
  });
  const inFlight = new Gauge({
    name: "orchestrator_jobs_in_flight",
    help: "Attempts under way, by region and server.",
    labelNames: ["region", "server"],
    registers,
  });
  const queueWaits = new Histogram({
    name: "orchestrator_job_queue_wait_seconds",
    help: "Seconds from a job's turn in its run to its first attempt.",
    buckets: waitSeconds,
    registers,
  });
  const circuit = new Gauge({
    name: "orchestrator_server_circuit",
    help: "1 for the state that a server's circuit is in, 0 for the others.",
    labelNames: ["server", "region", "state"],
    registers,
  });
  const eventStreams = new Gauge({
    name: "orchestrator_event_streams",
    help: "Event streams that are open.",
    registers,
  });

  let told = [registry];
  let list: MetricSources["servers"] = async () => [];

  /** Brings what is told of servers up to date; of one that is gone, its circuit is told no more. */
  async function lookAtServers(): Promise<void> {
    const listed = await inTime(list(), LIST_MS);
    circuit.reset();
    for (const { id, region: where, circuit: current } of listed ?? []) {
      const labels = { server: server(id), region: region(where) };
      for (const state of circuits) circuit.set({ ...labels, state }, state === current ? 1 : 0);
      // So that a server which is idle is there too.
      inFlight.inc(labels, 0);
    }
  }

  function start({ waiting, servers, openRuns }: MetricSources): void {
    told = [registry, processRegistry()];
    gauge("orchestrator_jobs_waiting", "Jobs that wait for a server.", (self) =>
      self.set(waiting().jobs),
    );
    gauge(
      "orchestrator_oldest_waiting_job_age_seconds",
      "Seconds for which the first of the waiting jobs has waited; 0 without any.",
      (self) => self.set(waiting().oldestSeconds),
    );
    list = servers;
    if (!openRuns) return;
    gauge(
      "orchestrator_runs",
      "Runs that have not ended, by state.",
      (self) => {
        for (const [state, count] of Object.entries(openRuns())) self.set({ state }, count);
      },
      ["state"],
    );
  }

  /** A gauge that is looked up when it is asked for. */
  function gauge<Label extends string>(
    name: string,
    help: string,
    look: (self: Gauge<Label>) => Promise<void> | void,
    labelNames: readonly Label[] = [],
  ): void {
    const made = new Gauge<Label>({
      name,
      help,
      labelNames,
      registers: [],
      collect() {
        return look(this);
      },
    });
    registry.registerMetric(made);
  }

  return {
    start,
    request: ({ method, route, status, seconds }) =>
      requests.observe({ method, route, status_code: status }, seconds),
    runStarted: (name) => runsStarted.inc({ workflow: workflow(name) }),
    runEnded: (name, state) => runsEnded.inc({ workflow: workflow(name), state }),
    jobEnded: (where, state) => jobs.inc({ region: region(where), state }),
    jobDuration: (where, id, seconds) =>
      durations.observe({ region: region(where), server: server(id) }, seconds),
    queueWait: (seconds) => queueWaits.observe(seconds),
    inFlight: (where, id, change) =>
      inFlight.inc({ region: region(where), server: server(id) }, change),
    eventStreams: { inc: () => eventStreams.inc(), dec: () => eventStreams.dec() },
    async text() {
      await lookAtServers();
      const texts = await Promise.all(told.map((one) => one.metrics()));
      return { contentType: registry.contentType, text: texts.join("\n") };
    },
  };
}

/** What a promise comes to, or undefined where it fails or takes too long. */
async function inTime<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, ms, undefined);
  });
  try {
    return await Promise.race([promise, late]);
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}
