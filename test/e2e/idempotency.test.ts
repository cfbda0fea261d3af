import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { finished, send } from "../_support/api.ts";
import { startServer, type TestServer, workDir } from "../_support/app.ts";

const cwd = workDir();
let server: TestServer;

beforeAll(async () => {
  server = await startServer(inject("fixtureOutput"), cwd);
});

afterAll(() => server.stop("SIGKILL"));

function post(name: string, body: unknown, key: string) {
  return send(`${server.url}/api/orchestrator/${name}`, body, {
    headers: { "idempotency-key": key },
  });
}

test("50 racing requests under one key start one run and answer alike", async () => {
  const marks = join(cwd, "race");
  const body = { args: [marks, 1] };
  const answers = await Promise.all(Array.from({ length: 50 }, () => post("slowly", body, "race")));
  expect(new Set(answers.map((a) => a.status))).toEqual(new Set([200]));
  expect(new Set(answers.map((a) => JSON.stringify(a.body))).size).toBe(1);
  expect((await finished(server.url, "slowly", answers[0]!.body.runId)).body).toBe("done");
  expect(await readFile(marks, "utf8")).toBe("step\nlinger\nend\n");
});

test("the same body with its keys in another order is the same", async () => {
  const first = await post("echo", { input: { a: 1, b: [{ c: 2, d: 3 }] } }, "order");
  const second = await post("echo", '{ "input": {"b": [{"d": 3, "c": 2}], "a": 1} }', "order");
  expect(second.body).toEqual(first.body);
});

test.each([
  ["another body", "echo", { input: 2 }],
  ["another workflow", "nothing", { input: 1 }],
])("%s under a used key is a 409 and starts nothing", async (what, name, body) => {
  const key = what.replace(" ", "-");
  const first = await post("echo", { input: 1 }, key);
  const second = await post(name, body, key);
  expect(first.status).toBe(200);
  expect(second.status).toBe(409);
  expect(second.body).toEqual({
    error: `Idempotency-Key "${key}" was used before with another workflow or body`,
  });
});

test("a refused request does not use its key up", async () => {
  expect((await post("greet", { input: {} }, "mended")).status).toBe(400);
  expect((await post("greet", { input: { name: "Ada" } }, "mended")).status).toBe(200);
});

test("a key holds over a kill -9 and a restart", async () => {
  const first = await post("echo", { input: "kept" }, "restart");
  await server.stop("SIGKILL");
  server = await startServer(inject("fixtureOutput"), cwd);
  const second = await post("echo", { input: "kept" }, "restart");
  expect(second.body).toEqual(first.body);
  expect((await post("echo", { input: "other" }, "restart")).status).toBe(409);
});
