import { join } from "node:path";
import { afterAll, beforeAll, expect, inject, onTestFinished, test } from "vitest";
import { send, until } from "../_support/api.ts";
import { createApp, startServer, type TestServer, workDir } from "../_support/app.ts";
import { startHost } from "../_support/hosts.ts";
import { type Delivery, type Receiver, startReceiver } from "../_support/receiver.ts";

let receiver: Receiver;

beforeAll(async () => {
  receiver = await startReceiver();
});

afterAll(() => receiver.close());

const runsOf = ({ url }: TestServer): string => `${url}/api/orchestrator/runs`;

const local = {
  mode: "local",
  runners: [{ name: "statusTest", input: { url: "https://a.example" } }],
};

test("without a list a private target is refused, and a secret that is none", async () => {
  const strict = await startServer(inject("fixtureOutput"), workDir());
  onTestFinished(() => void strict.stop("SIGKILL"));
  const refusal = async (callback: object): Promise<string> => {
    const answer = await send(runsOf(strict), { ...local, callback });
    expect(answer.status).toBe(400);
    return answer.body.error as string;
  };
  expect(await refusal({ url: `${receiver.url}/refused` })).toMatch(
    /^callback\.url must not lead to a private or reserved address/,
  );
  expect(
    await refusal({ url: "https://hooks.example.com", secret: "whsec_not base64, is it" }),
  ).toBe("callback.secret must be base64 after whsec_");
  expect((await send(runsOf(strict))).body.runs).toEqual([]);
});

test("a server of its own delivers to the hosts that its options list, without a signature where there is no secret", async () => {
  const options = { callbacks: { allow: [`127.0.0.1:${receiver.port}`] } };
  const app = await createApp({
    files: {
      "host.mjs": `
import { createServer } from "node:http";
import { createOrchestratorHandler, toNodeListener } from "@runners/orchestrator/http";
const runners = { statusTest: async () => ({ status: "pass" }) };
const handler = createOrchestratorHandler({ runners, ...${JSON.stringify(options)} });
const server = createServer(toNodeListener(handler)).listen(0, "127.0.0.1", () => {
  console.log(\`Listening on http://127.0.0.1:\${server.address().port}/\`);
});
`,
    },
  });
  onTestFinished(app.remove);
  const host = await startHost(join(app.dir, "host.mjs"), workDir(), {
    ORCHESTRATOR_CALLBACK_HOSTS: "hooks.example.com",
  });
  onTestFinished(() => void host.stop("SIGKILL"));
  const other = { ...local, callback: { url: "https://hooks.example.com/" } };
  expect((await send(runsOf(host), other)).body.error).toMatch(
    /^callback\.url must have a host that/,
  );
  const answer = await send(runsOf(host), { ...local, callback: { url: `${receiver.url}/alone` } });
  expect(answer.status).toBe(201);
  await until(() => receiver.at("/alone").length > 0);
  const [{ headers }] = receiver.at("/alone") as [Delivery];
  expect(headers).not.toHaveProperty("webhook-signature");
});
