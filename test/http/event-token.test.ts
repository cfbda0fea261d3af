import { expect, test } from "vitest";
import { createKeyRing } from "../../src/http/guard/keys.ts";
import { createEventTokens } from "../../src/http/guard/tokens.ts";
import { answerEventToken } from "../../src/http/routes/event-token.ts";

const ring = createKeyRing([{ name: "a", key: "a", scopes: ["read"] }]);

function ask(runId: string, method = "POST"): Promise<Response> {
  const req = new Request("http://localhost/", { method });
  return answerEventToken({ req }, runId, createEventTokens(ring), async (id) => id === "r1");
}

test("a run's token is made, and kept by nobody", async () => {
  const answer = await ask("r1");
  expect(answer.status).toBe(201);
  expect(answer.headers.get("cache-control")).toBe("no-store");
  const { token, expiresAt, ...rest } = await answer.json();
  expect(rest).toEqual({});
  expect(createEventTokens(ring).verify(token, "r1")).toBe(true);
  const minutes = (Date.parse(expiresAt) - Date.now()) / 60_000;
  expect(minutes).toBeGreaterThan(9.9);
  expect(minutes).toBeLessThanOrEqual(10);
});

test("a run that is none has none, and another method makes none", async () => {
  const unknown = await ask("r2");
  expect({ status: unknown.status, body: await unknown.json() }).toEqual({
    status: 404,
    body: { error: "run not found" },
  });
  const read = await ask("r1", "GET");
  expect({ status: read.status, allow: read.headers.get("allow") }).toEqual({
    status: 405,
    allow: "POST",
  });
});
