import { expect, test, vi } from "vitest";
import { type ErrorCode } from "../../src/core/errors.ts";
import { settled } from "./clock.ts";
import { fail, ids, job, server, setup, watch } from "./dispatcher.ts";

test.each<[ErrorCode, boolean, object | undefined]>([
  [
    "SERVER_UNREACHABLE",
    true,
    { ok: false, error: "SERVER_UNREACHABLE: SERVER_UNREACHABLE happened" },
  ],
  ["SERVER_TIMEOUT", true, { ok: false, error: "SERVER_TIMEOUT: SERVER_TIMEOUT happened" }],
  ["SERVER_ERROR", true, { ok: false, error: "SERVER_ERROR: SERVER_ERROR happened" }],
  ["INVALID_RESPONSE", true, { ok: false, error: "INVALID_RESPONSE: INVALID_RESPONSE happened" }],
  ["SERVER_REJECTED", true, { ok: false, error: "SERVER_REJECTED: SERVER_REJECTED happened" }],
  ["SERVER_REJECTED", false, { ok: true }],
  ["RUNNER_NOT_FOUND", false, { ok: true }],
  ["INPUT_VALIDATION_FAILED", false, { ok: true }],
  ["EXECUTION_FAILED", false, { ok: true }],
  ["RESPONSE_TOO_LARGE", false, { ok: true }],
  ["CONFIG_INVALID", false, undefined],
])("%s, retryable %s, is reported as %j", async (code, retryable, outcome) => {
  const execute = async () => {
    throw fail(code, { retryable });
  };
  const { dispatcher, registry } = setup([server("a")], execute, { attempts: 1 });
  const report = vi.spyOn(registry, "report");
  await dispatcher.execute({ id: "a" }, job, ids).catch(() => {});
  expect(report.mock.calls).toEqual(outcome ? [["a", outcome]] : []);
});

test("a registry that cannot take a report fails no answered job", async () => {
  const { dispatcher, registry } = setup([server("a")]);
  vi.spyOn(registry, "report").mockRejectedValue(new Error("gone"));
  expect(await dispatcher.execute({ id: "a" }, job, ids)).toMatchObject({ server: "a" });
});

test("the outcome is reported before the place is free", async () => {
  const { dispatcher, registry, leases } = setup([server("a")]);
  let held = 0;
  vi.spyOn(registry, "report").mockImplementation(async () => void (held = leases.count("a")));
  await dispatcher.execute({ id: "a" }, job, ids);
  expect(held).toBe(1);
});

test("an abort ends the attempt with its reason, frees the place and blames no server", async () => {
  const abort = new AbortController();
  const { dispatcher, registry, leases } = setup(
    [server("a"), server("b")],
    ({ signal }) =>
      new Promise((_, reject) => {
        signal!.addEventListener("abort", () => reject(fail("SERVER_UNREACHABLE")));
      }),
  );
  const report = vi.spyOn(registry, "report");
  const seen = watch(dispatcher.execute({ id: "a" }, job, { ...ids, signal: abort.signal }));
  await settled();
  abort.abort(new Error("cancelled"));
  await settled();
  expect(seen.error).toEqual(new Error("cancelled"));
  expect(leases.count("a")).toBe(0);
  expect(report).not.toHaveBeenCalled();
});

test("an abort during a backoff ends it", async () => {
  const abort = new AbortController();
  const { clock, dispatcher, calls } = setup([server("a")], async () => {
    throw fail("SERVER_ERROR", { retryAfter: 30_000 });
  });
  const seen = watch(dispatcher.execute({ id: "a" }, job, { ...ids, signal: abort.signal }));
  await settled();
  abort.abort(new Error("cancelled"));
  await settled();
  expect(seen.error).toEqual(new Error("cancelled"));
  expect([calls.length, clock.pending()]).toEqual([1, 0]);
});

test("a job that is aborted before it starts executes nothing and frees its place", async () => {
  const { dispatcher, leases, calls } = setup([server("a")]);
  const selected = await dispatcher.select(undefined);
  const signal = AbortSignal.abort(new Error("cancelled"));
  await expect(dispatcher.execute(selected, job, { ...ids, signal })).rejects.toThrow("cancelled");
  expect([calls.length, leases.count("a")]).toEqual([0, 0]);
});
