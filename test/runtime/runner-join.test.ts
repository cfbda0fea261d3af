import { expect, test } from "vitest";
import { createRunnerHandler } from "../../src/runner/index.ts";
import { joinFromEnvironment } from "../../src/runtime/runner-join.ts";
import { serveRunApi } from "../_support/run-api.ts";

const handler = createRunnerHandler({ runners: { a: async () => ({ status: "pass" }) } });
const url = "http://127.0.0.1:2/api/runner";

test("the variable has all that a server tells, but for its region where that is known", async () => {
  const api = await serveRunApi();
  const ORCHESTRATOR_JOIN = JSON.stringify({ orchestrator: api.base, url, id: "me", capacity: 2 });
  const membership = joinFromEnvironment(handler, "eu", { ORCHESTRATOR_JOIN })!;
  await membership.ready;
  expect((await api.send("/servers/me")).body.server).toMatchObject({
    url,
    region: "eu",
    capacity: 2,
    load: 0,
  });
  await membership.leave();
  await api.close();
});

test("without it nothing is joined", () => {
  for (const env of [{}, { ORCHESTRATOR_JOIN: "" }]) {
    expect(joinFromEnvironment(handler, "eu", env)).toBeUndefined();
  }
});

const orchestrator = "http://127.0.0.1:1/api/orchestrator";

test.each([
  ["secret", 'ORCHESTRATOR_JOIN must be JSON such as {"orchestrator"'],
  ["[]", "ORCHESTRATOR_JOIN must be JSON"],
  [{ orchestrator, url, urls: [] }, "ORCHESTRATOR_JOIN.urls is not known. Known: orchestrator,"],
  [{ orchestrator, url }, "ORCHESTRATOR_JOIN.region is required where ORCHESTRATOR_REGION"],
  [{ url, region: "eu" }, "ORCHESTRATOR_JOIN.orchestrator must be an absolute http(s) URL"],
  [{ orchestrator, region: "eu" }, "ORCHESTRATOR_JOIN.url must be an absolute http(s) URL"],
  [{ orchestrator, url, region: "eu", apiKey: " " }, "ORCHESTRATOR_JOIN.apiKey must be visible"],
])("%j is refused", (value, message) => {
  const ORCHESTRATOR_JOIN = typeof value === "string" ? value : JSON.stringify(value);
  const joining = () => joinFromEnvironment(handler, undefined, { ORCHESTRATOR_JOIN });
  expect(joining).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
  expect(joining).toThrow(message);
});
