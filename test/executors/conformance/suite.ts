import { randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ExecuteRequest } from "../../../src/types/executor.ts";
import type { RunnerEvent } from "../../../src/types/runner.ts";
import type { CaseName, ExecutorFixture, Subject, TestWorker } from "./fixture.ts";
import { backendCases, cases, casesAlone } from "./cases.ts";

/** What a case has to work with. */
export interface CaseContext {
  subject: Subject;
  fixture: ExecutorFixture;
  /** The region of its attempts; of a case in `casesAlone` one that no other has. */
  region: string;
  /** Starts a worker of that region, or of another; those of one region share it, but for `casesAlone`. */
  startWorker(region?: string): Promise<TestWorker>;
  /** An attempt of a job of its own, with one runner. */
  attempt(runner: string, more?: Partial<AttemptParts>): Attempt;
}

/** What a case says of an attempt. */
export interface AttemptParts {
  /** Input beside the marker. */
  input: Record<string, unknown>;
  region: string;
  timeout: number;
  wait: number;
}

/** An attempt to make, and what becomes of it. */
export interface Attempt {
  request: ExecuteRequest;
  /** What its runners wrote, a line each. */
  lines(): string[];
  /** Resolves with the id of the worker that has begun it. */
  begun: Promise<string>;
  events: RunnerEvent[];
  abort(reason: unknown): void;
}

/** One case. */
export type Case = (context: CaseContext) => Promise<void>;

/** The cases that every executor has to pass, but for those it says why it cannot have. */
export function describeExecutor(fixture: ExecutorFixture): void {
  describe(`the ${fixture.name} executor`, () => {
    const folder = mkdtempSync(join(tmpdir(), "executor-"));
    const workers: TestWorker[] = [];
    const together = `region-${randomUUID().slice(0, 8)}`;
    let shared: Promise<TestWorker> | undefined;
    let subject: Subject;

    beforeAll(async () => {
      subject = await fixture.open();
    });

    afterAll(async () => {
      await Promise.all(workers.map((worker) => worker.kill()));
      await subject.close();
      rmSync(folder, { recursive: true });
    });

    async function startWorker(region: string): Promise<TestWorker> {
      const worker = await subject.startWorker(region);
      workers.push(worker);
      return worker;
    }

    function contextOf(name: CaseName): CaseContext {
      const alone = casesAlone.has(name);
      const region = alone ? `region-${randomUUID().slice(0, 8)}` : together;
      return {
        subject,
        fixture,
        region,
        startWorker: (where = region) =>
          where === together ? (shared ??= startWorker(together)) : startWorker(where),
        attempt(runner, more = {}) {
          const marker = join(folder, randomUUID());
          return attemptOf(subject, marker, runner, { region, ...more });
        },
      };
    }

    const run = ([name, act]: [string, Case]): void => {
      const reason = fixture.differences[name as CaseName];
      if (reason !== undefined) test.skip(`${name}: not here, since ${reason}`);
      else test(name, () => act(contextOf(name as CaseName)));
    };
    describe.concurrent("side by side", () => Object.entries(cases).forEach(run));
    describe("alone", () => Object.entries(backendCases).forEach(run));

    test("each difference names a case", () => {
      const names = new Set([...Object.keys(cases), ...Object.keys(backendCases)]);
      expect(Object.keys(fixture.differences).filter((name) => !names.has(name))).toEqual([]);
    });
  });
}

function attemptOf(
  subject: Subject,
  marker: string,
  runner: string,
  { region = "", timeout = 20_000, wait = 20_000, input = {} }: Partial<AttemptParts>,
): Attempt {
  const abort = new AbortController();
  const events: RunnerEvent[] = [];
  let begin!: (worker: string) => void;
  const begun = new Promise<string>((resolve) => (begin = resolve));
  return {
    begun,
    events,
    abort: (reason) => abort.abort(reason),
    lines() {
      try {
        return readFileSync(marker, "utf8").split("\n").filter(Boolean);
      } catch {
        return [];
      }
    },
    request: {
      server: subject.serverOf(region),
      job: {
        url: "https://example.com/",
        ...(region !== "" && { region }),
        runners: [{ name: runner, input: { marker, ...input } }],
      },
      runId: "run-1",
      idempotencyKey: `run-1/${randomUUID()}`,
      attempt: 1,
      timeout,
      wait,
      signal: abort.signal,
      onStart: begin,
      onEvent: (event) => void events.push(event),
    },
  };
}
