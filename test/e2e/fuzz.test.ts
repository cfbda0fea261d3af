import * as fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { send } from "../_support/api.ts";
import { createApp } from "../_support/app.ts";
import { createRawClient, type RawAnswer, type RawRequest } from "../_support/fuzz/client.ts";
import { type Described, describe } from "../_support/fuzz/operations.ts";
import { requestsOf, toRaw } from "../_support/fuzz/requests.ts";
import { startHost } from "../_support/hosts.ts";
import { startReceiver } from "../_support/receiver.ts";

const count = Number(process.env.FUZZ_REQUESTS ?? 10_000);
const connections = 32;
/** The same requests each time; `FUZZ_SEED` makes others. */
const seed = Number(process.env.FUZZ_SEED ?? 20_261_125);

/** What requests name, beside what is made up. */
const words = {
  name: ["checkTitle", "checkLinks", "checkFonts", "checkSlowly", "checkSlowly"],
  input: [{ url: "https://example.com" }],
  mode: ["local"],
  workflow: ["run"],
};

const run = (name: string, rest: object = {}): object => ({
  mode: "local",
  runners: [{ name, input: { url: "https://example.com" } }],
  ...rest,
});

const host = `import { createServer } from "node:http";
import { createOrchestratorHandler, toNodeListener } from "@runners/orchestrator/http";

const runners = {
  checkTitle: async (ctx, input) => {
    ctx.checkpoint("looked", input);
    return { status: "pass", details: input };
  },
  checkLinks: async () => ({ status: "fail" }),
  checkFonts: async () => {
    throw new Error("no fonts");
  },
  checkSlowly: ({ signal }) =>
    new Promise((resolve) => {
      const timer = setTimeout(() => resolve({ status: "pass" }), 4000);
      signal.addEventListener("abort", () => {
        clearTimeout(timer);
        resolve({ status: "error" });
      });
    }),
};
// Servers join from wherever, and are not to be asked how they are.
const healthCheck = false;
const handler = createOrchestratorHandler({ runners, service: true, rateLimit: false, healthCheck });
const server = createServer(toNodeListener(handler));
server.listen(0, "127.0.0.1", () => {
  console.log(\`Listening on http://127.0.0.1:\${server.address().port}/\`);
});
process.once("SIGTERM", async () => {
  await handler.close();
  server.close(() => process.exit());
  server.closeAllConnections();
});
`;

const stops: (() => Promise<unknown>)[] = [];
afterAll(async () => {
  for (const stop of stops.reverse()) await stop();
});

test(
  `${count} requests made from the document: right, nearly right and hostile ones`,
  { timeout: 240_000 },
  async () => {
    const receiver = await startReceiver();
    stops.push(receiver.close);
    const app = await createApp({ files: { "host.mjs": host } });
    stops.push(app.remove);
    const server = await startHost(`${app.dir}/host.mjs`, app.dir, {
      // None of those that are made up is told of anything.
      ORCHESTRATOR_CALLBACK_HOSTS: new URL(receiver.url).host,
      ORCHESTRATOR_LOG_LEVEL: "warn",
    });
    stops.push(() => server.stop("SIGKILL"));
    const described = describe((await send(`${server.url}/api/orchestrator/spec.json`)).body);
    const callback = { url: receiver.url, secret: "x".repeat(32) };
    const requests = requestsOf(described, words, {
      submitRun: [run("checkSlowly"), run("checkFonts", { failurePolicy: "all" })],
      startWorkflow: [run("checkLinks"), run("checkTitle", { tags: ["a"] })],
      createRun: [
        run("checkSlowly"),
        run("checkTitle", { callback, metadata: { a: 1 }, tags: ["a"] }),
        { workflow: "run", input: run("checkSlowly"), callback },
      ],
    });
    const drafts = fc.sample(requests, { numRuns: count, seed });
    const wrong = new Map<string, string>();
    const succeeded = new Set<string>();
    const ids: string[] = [];

    async function work(): Promise<void> {
      const client = createRawClient(server.url);
      for (let draft = drafts.pop(); draft; draft = drafts.pop()) {
        const request = toRaw(draft, ids);
        const problem = await client.send(request).then(
          (answer) => {
            remember(answer, draft.operation);
            return problemOf(described, request, answer);
          },
          (error: Error) => error.message,
        );
        if (problem) wrong.set(problem, textOf(request));
      }
      client.close();
    }

    function remember(answer: RawAnswer, operation: string): void {
      if (answer.kind === "closed" || answer.status >= 300) return;
      succeeded.add(operation);
      if (answer.body.length > 1000 || ids.length > 1000) return;
      const id = /"runId":"([^"\\]+)"/.exec(answer.body.toString())?.[1];
      if (id !== undefined && !ids.includes(id)) ids.push(id);
    }

    await Promise.all(Array.from({ length: connections }, work));
    expect(Object.fromEntries(wrong), `FUZZ_SEED=${seed}`).toEqual({});
    // It was in the midst of things, and not refused at the door.
    expect([...succeeded].toSorted()).toEqual(described.operations.map(({ id }) => id).toSorted());
    expect(receiver.deliveries.length).toBeGreaterThan(0);
    expect((await send(`${server.url}/health`)).status).toBe(200);
    expect((await send(`${server.url}/runs`)).body.runs).toHaveLength(20);
    expect(await server.stop("SIGTERM"), `FUZZ_SEED=${seed}`).toBe(0);
    const [, ...printed] = server.output().trim().split("\n");
    expect(printed, `FUZZ_SEED=${seed}`).toEqual([]);
  },
);

/** What is wrong with an answer; undefined where nothing is. */
function problemOf(
  described: Described,
  { method, target, framing }: RawRequest,
  answer: RawAnswer,
): string | undefined {
  if (answer.kind === "closed") {
    const mayClose = framing.startsWith("cut") || method === "CONNECT";
    return mayClose ? undefined : "the connection was closed without an answer";
  }
  const { status, body } = answer;
  const text = body.toString().slice(0, 300);
  if (status >= 500 && status !== 501 && status !== 503) return `${status}: ${text}`;
  // Node itself refuses what is no HTTP.
  if ([400, 417, 431].includes(status) && body.length === 0) return undefined;
  const found = method === "OPTIONS" ? undefined : described.find(method, target);
  if (found && !Array.isArray(found)) return described.judge(found, answer);
  if (status >= 400 && body.length > 0 && !isError(text))
    return `${status} in another form: ${text}`;
  if (!found || [400, 403, 405, 413, 414, 431].includes(status)) return undefined;
  return `${status} for another method: ${text}`;
}

/** Whether a text begins as all errors of ours do. */
function isError(text: string): boolean {
  return text.startsWith('{"error":"') || text.startsWith('{"defined":false,');
}

function textOf({ body, ...rest }: RawRequest): string {
  return `${JSON.stringify(rest).slice(0, 500)} ${body?.toString("latin1").slice(0, 200) ?? ""}`;
}
