import { expect, test } from "vitest";
import { errorResponse, failureOf, runErrorResponse } from "../../src/http/errors.ts";
import { patiently } from "../../src/postgres/pool.ts";

test("what is of a World that was waited for in vain is a 503 in either form, however it is wrapped", async () => {
  const signal = new AbortController().signal;
  const away = async (): Promise<never> => {
    throw new Error("connect ECONNREFUSED");
  };
  const cause: unknown = await patiently(away, () => true, { limit: 0, signal }).catch(
    (error: unknown) => error,
  );
  const wrapped = new Error("Failed query", { cause: new Error("inner", { cause }) });
  for (const error of [cause, wrapped]) {
    const answer = errorResponse(error);
    expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, "5"]);
    expect(await answer.json()).toEqual({ error: "The World is out of reach: try again" });
    expect(failureOf(answer)).toBeUndefined();
    const ofRun = runErrorResponse(error);
    expect([ofRun.status, ofRun.headers.get("retry-after")]).toEqual([503, "5"]);
    expect(await ofRun.json()).toMatchObject({
      code: "SERVICE_UNAVAILABLE",
      status: 503,
      message: "The World is out of reach: try again",
    });
  }
});
