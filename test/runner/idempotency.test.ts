import { expect, test } from "vitest";
import { type Answers, createAnswers } from "../../src/runner/answers.ts";
import { createEventLines, type Execution } from "../../src/runner/stream.ts";
import * as z from "zod";
import { gate, serve } from "./_support/serve.ts";

/** An execution that told nothing, and what it answered. */
function answered(text: string): Execution {
  return { events: createEventLines(), answer: Promise.resolve(text) };
}

/** What is kept under a key. */
async function kept(answers: Answers, name: string): Promise<string | undefined> {
  return (answers.find(name, "f") as Execution | undefined)?.answer;
}

/** A runner that counts its calls, and answers with the count. */
function counted() {
  let calls = 0;
  const count = async () => ({ status: "pass", details: { call: ++calls } });
  return { count, calls: () => calls };
}

const body = { url: "https://x.test/", runners: ["count"], input: { a: 1, b: { c: 2, d: 3 } } };
const key = (value: string) => ({ "idempotency-key": value });

test("a repeat under the same key is answered from the first and executes nothing", async () => {
  const { count, calls } = counted();
  const { execute } = await serve({ runners: { count } });
  const first = await (await execute(body, key("k"))).text();
  const second = await execute(body, key("k"));
  expect(second.status).toBe(200);
  expect(await second.text()).toBe(first);
  expect(calls()).toBe(1);
});

test("a repeat while the first is still running waits for it and executes nothing", async () => {
  const { opened, open } = gate();
  let calls = 0;
  const slow = async () => {
    calls++;
    await opened;
    return { status: "pass" };
  };
  const { execute } = await serve({ runners: { slow } });
  const replies = [1, 2, 3].map(() => execute({ runners: ["slow"] }, key("k")));
  await new Promise((resolve) => setTimeout(resolve, 30));
  open();
  const texts = await Promise.all(replies.map(async (reply) => (await reply).text()));
  expect(new Set(texts).size).toBe(1);
  expect(calls).toBe(1);
});

test("two repeats that arrive during an asynchronous validation execute once", async () => {
  const { count, calls } = counted();
  const { opened, open } = gate();
  const countSchema = z.object({}).refine(() => opened.then(() => true));
  const { execute } = await serve({ runners: { count, countSchema } });
  const replies = [1, 2].map(() => execute(body, key("k")));
  await new Promise((resolve) => setTimeout(resolve, 30));
  open();
  for (const reply of replies) expect((await reply).status).toBe(200);
  expect(calls()).toBe(1);
});

test("the same body is the same in any order of keys and on either wire", async () => {
  const { count, calls } = counted();
  const { execute } = await serve({ runners: { count } });
  await execute(body, key("k"));
  const reordered = { input: { b: { d: 3, c: 2 }, a: 1 }, runners: body.runners, url: body.url };
  expect((await (await execute(reordered, key("k"))).json()).results[0].details.call).toBe(1);
  const enveloped = await (await execute({ json: body }, key("k"))).json();
  expect(enveloped.json.results[0].details.call).toBe(1);
  expect(calls()).toBe(1);
});

test("the same key with another body is a 409, on the request's own wire", async () => {
  const { count, calls } = counted();
  const { execute } = await serve({ runners: { count } });
  await execute(body, key("k"));
  const response = await execute({ ...body, runId: "r" }, key("k"));
  expect(response.status).toBe(409);
  const error = {
    defined: false,
    code: "IDEMPOTENCY_KEY_REUSED",
    status: 409,
    message: "The Idempotency-Key was used before with another body",
  };
  expect(await response.json()).toEqual(error);
  const enveloped = await execute({ json: { ...body, runId: "r" } }, key("k"));
  expect(await enveloped.json()).toEqual({ json: error });
  expect(calls()).toBe(1);
});

test("other keys, and no key at all, execute anew", async () => {
  const { count, calls } = counted();
  const { execute } = await serve({ runners: { count } });
  for (const headers of [key("a"), key("b"), {}, {}, key("")]) await execute(body, headers);
  expect(calls()).toBe(5);
});

test("an execution whose runner errors is kept like any other", async () => {
  let calls = 0;
  const fails = async () => {
    calls++;
    throw new Error("x");
  };
  const { execute } = await serve({ runners: { fails } });
  for (let i = 0; i < 2; i++) await execute({ runners: ["fails"] }, key("k"));
  expect(calls).toBe(1);
});

test("a refused request is not kept: its key is free for a better one", async () => {
  const { count } = counted();
  const { execute } = await serve({ runners: { count } });
  expect((await execute({ runners: ["nope"] }, key("k"))).status).toBe(500);
  expect((await execute({ runners: [] }, key("k"))).status).toBe(400);
  expect((await execute(body, key("k"))).status).toBe(200);
});

test("an answer is kept for 15 minutes after it was given", async () => {
  let now = 1_000_000;
  const { count, calls } = counted();
  const { execute } = await serve({ runners: { count }, now: () => now });
  await execute(body, key("k"));
  now += 15 * 60_000 - 1;
  await execute(body, key("k"));
  expect(calls()).toBe(1);
  now += 1;
  await execute(body, key("k"));
  expect(calls()).toBe(2);
});

test("at most 1000 answers are kept, and the oldest goes first", async () => {
  const answers = createAnswers({ now: () => 0 });
  for (let i = 0; i <= 1000; i++) answers.keep(`k${i}`, "f", answered("answer"));
  await new Promise((resolve) => setTimeout(resolve, 0));
  expect(await kept(answers, "k0")).toBeUndefined();
  expect(await kept(answers, "k1")).toBe("answer");
  expect(await kept(answers, "k1000")).toBe("answer");
});

test("at most 32 MiB of answers are kept", async () => {
  const answers = createAnswers({ now: () => 0 });
  const megabytes = "x".repeat(5 * 1024 * 1024);
  for (const name of ["a", "b", "c", "d"]) {
    answers.keep(name, "f", answered(megabytes));
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  expect(await kept(answers, "a")).toBeUndefined();
  expect(await kept(answers, "b")).toBe(megabytes);
  expect(await kept(answers, "d")).toBe(megabytes);
});
