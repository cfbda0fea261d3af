import * as fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { send } from "../_support/api.ts";
import { createApp } from "../_support/app.ts";
import { createRawClient, type RawAnswer } from "../_support/fuzz/client.ts";
import { describe as read, type Described } from "../_support/fuzz/operations.ts";
import { type Draft, requestsOf, toRaw } from "../_support/fuzz/requests.ts";
import { startHost } from "../_support/hosts.ts";

/** Requests, and how many of them at a time. */
const [count, connections] = [Number(process.env.FUZZ_REQUESTS ?? 10_000), 32];
const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31);

/** What requests name, beside what is made up. */
const words = {
  name: ["checkTitle", "checkLinks", "checkFonts", "checkSlowly", "checkSlowly"],
  workflow: ["run"],
  url: ["https://example.com"],
  mode: ["local"],
};

const host = `import { createServer } from "node:http";
import { createOrchestratorHandler, toNodeListener } from "@runners/orchestrator/http";

const runners = {
  checkTitle: async (ctx, input) => {
    ctx.log("looked", { input });
    return { status: "pass", details: input };
  },
  checkLinks: async () => ({ status: "fail" }),
  checkFonts: async () => {
    throw new Error("no fonts");
  },
  checkSlowly: ({ signal }) =>
    new Promise((resolve) => {
      const timer = setTimeout(() => resolve({ status: "pass" }), 1500);
      signal.addEventListener("abort", () => {
        clearTimeout(timer);
        resolve({ status: "error" });
      });
    }),
};
const handler = createOrchestratorHandler({ runners, service: true, rateLimit: false });
const server = createServer(toNodeListener(handler));
server.listen(0, "127.0.0.1", () => {
  console.log(\`Listening on http://127.0.0.1:\${server.address().port}/\`);
});
process.once("SIGTERM", async () => {
  await handler.close();
  server.close(() => process.exit());
});
`;

const stops: (() => Promise<unknown>)[] = [];
afterAll(async () => {
  for (const stop of stops.reverse()) await stop();
});

test(`${count} requests made from the document, right, nearly right and hostile`, async () => {
  const app = await createApp({ files: { "host.mjs": host } });
  stops.push(app.remove);
  const server = await startHost(`${app.dir}/host.mjs`, app.dir, {
    ORCHESTRATOR_LOG_LEVEL: "warn",
  });
  stops.push(() => server.stop("SIGKILL"));
  const described = read((await send(`${server.url}/api/orchestrator/spec.json`)).body);
  const drafts = fc.sample(requestsOf(described, words), { numRuns: count, seed });
  const wrong = new Map<string, string>();
  const seen = new Map<string, number>();
  const ids: string[] = [];

  async function work(): Promise<void> {
    const client = createRawClient(server.url);
    for (let draft = drafts.pop(); draft; draft = drafts.pop()) {
      const request = toRaw(draft, ids);
      const said = (problem: string): void => {
        const { body, ...rest } = request;
        const example = `${JSON.stringify(rest).slice(0, 500)} ${body?.toString("latin1").slice(0, 200) ?? ""}`;
        wrong.set(problem, example);
      };
      try {
        const answer = await client.send(request);
        note(answer, draft);
        const problem = judge(described, draft, request, answer);
        if (problem) said(problem);
      } catch (error) {
        said((error as Error).message);
      }
    }
    client.close();
  }

  function note(answer: RawAnswer, { operation, kind }: Draft): void {
    const status = answer.kind === "closed" ? "closed" : answer.status;
    const key = `${operation} ${kind} ${status}`;
    seen.set(key, (seen.get(key) ?? 0) + 1);
    if (answer.kind === "closed" || answer.body.length > 1000 || ids.length > 1000) return;
    const id = /"runId":"([^"\\]+)"/.exec(answer.body.toString())?.[1];
    if (answer.status < 300 && id !== undefined && !ids.includes(id)) ids.push(id);
  }

  await Promise.all(Array.from({ length: connections }, work));
  if (process.env.FUZZ_SEEN)
    console.log(
      [...seen]
        .toSorted()
        .map(([k, n]) => `${k} ${n}`)
        .join("\n"),
    );
  expect(Object.fromEntries(wrong), `FUZZ_SEED=${seed}`).toEqual({});
  expect(await server.stop("SIGTERM")).toBe(0);
  expect(server.output().split("\n").slice(1).join("\n")).toBe("");
});

/** What is wrong with an answer; undefined where nothing is. */
function judge(
  described: Described,
  draft: Draft,
  { method, target }: ReturnType<typeof toRaw>,
  answer: RawAnswer,
): string | undefined {
  if (answer.kind === "closed") {
    const mayClose = draft.framing.startsWith("cut") || method === "CONNECT";
    return mayClose ? undefined : "the connection was closed without an answer";
  }
  const { status, body } = answer;
  if (status >= 500 && status !== 501 && status !== 503)
    return `${status}: ${body.toString().slice(0, 300)}`;
  // Node itself refuses what is no HTTP.
  if ([400, 417, 431].includes(status) && body.length === 0) return undefined;
  const found = described.find(method, target);
  if (found === undefined || method === "OPTIONS") return undefined;
  if (!Array.isArray(found)) return described.judge(found, answer);
  return [400, 405, 413, 431].includes(status)
    ? undefined
    : `${status} for another method: ${body}`;
}
