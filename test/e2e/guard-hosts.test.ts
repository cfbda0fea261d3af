import { mkdir } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { afterAll, describe, expect, inject, test } from "vitest";
import { send } from "../_support/api.ts";
import { createApp, root, startServer, workDir } from "../_support/app.ts";
import { startHost } from "../_support/hosts.ts";
import { startNode } from "../_support/process.ts";

const stops: (() => Promise<unknown> | unknown)[] = [];

afterAll(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

const scopes = ["read", "run", "admin"] as const;
const apiKeys = scopes.map((scope) => ({ name: scope, key: `key-${scope}`, scopes: [scope] }));
const bearer = (key: string) => ({ headers: { authorization: `Bearer ${key}` } });

/** Sends from another address of loopback, which only Linux has more than one of. */
function getFrom(url: string, localAddress: string, method = "GET", body = ""): Promise<number> {
  const headers = body === "" ? {} : { "content-type": "application/json" };
  return new Promise((resolve, reject) => {
    const asked = request(url, { localAddress, method, headers, agent: false }, (response) => {
      response.resume().on("end", () => resolve(response.statusCode!));
    });
    asked.on("error", reject).end(body);
  });
}

test.runIf(process.platform === "linux")("a built app counts what each address sends", async () => {
  const server = await startServer(inject("fixtureOutput"), workDir(), { RATE_LIMIT_MAX: "2" });
  stops.push(() => server.stop("SIGKILL"));
  const base = `${server.url}/api/orchestrator`;
  for (const address of ["127.0.0.2", "127.0.0.3"]) {
    const statuses = [];
    for (let n = 0; n < 3; n++) statuses.push(await getFrom(base, address));
    expect(statuses, address).toEqual([200, 200, 429]);
  }
});

const host = (
  listen: string,
) => `import { createOrchestratorHandler, toNodeListener } from "@runners/orchestrator/http";
const orchestrator = createOrchestratorHandler({
  apiKeys: ${JSON.stringify(apiKeys)},
  cors: { origins: ["https://app.example"] },
  rateLimit: { max: 3 },
});
${listen}
const print = () => console.log(\`Listening on http://127.0.0.1:\${server.address().port}/\`);
process.once("SIGTERM", async () => {
  await orchestrator.close();
  server.close(() => process.exit());
});
`;

const hosts = {
  "node:http": `import { createServer } from "node:http";
const server = createServer(toNodeListener(orchestrator)).listen(0, "127.0.0.1", () => print());`,
  Express: `import express from "express";
const app = express().use(express.json()).use("/api/orchestrator", toNodeListener(orchestrator));
const server = app.listen(0, "127.0.0.1", () => print());`,
};

describe.each(Object.entries(hosts))("the handler behind %s", (_name, listen) => {
  test("has the same guard from its options, by address too", async () => {
    const app = await createApp({ files: { "server.mjs": host(listen) } });
    stops.push(app.remove);
    const server = await startHost(join(app.dir, "server.mjs"), app.dir);
    stops.push(() => server.stop("SIGKILL"));
    const base = `${server.url}/api/orchestrator`;
    expect((await send(base, undefined, bearer("key-read"))).status).toBe(200);
    expect((await send(base, {}, bearer("key-read"))).body).toEqual({
      error: "forbidden",
      required: "run",
    });
    const origin = { origin: "https://other.example" };
    const asked = await fetch(base, { headers: origin });
    expect(asked.status).toBe(401);
    expect(asked.headers.has("access-control-allow-origin")).toBe(false);
    const listed = await fetch(base, { headers: { origin: "https://app.example" } });
    expect(listed.headers.get("access-control-allow-origin")).toBe("https://app.example");
    if (process.platform === "linux") {
      for (const address of ["127.0.0.2", "127.0.0.3"]) {
        const statuses = [];
        // A body that a parser in front has read must not take the address with it.
        for (let n = 0; n < 4; n++) statuses.push(await getFrom(base, address, "POST", "{}"));
        expect(statuses, address).toEqual([401, 401, 401, 429]);
      }
    }
    expect(await server.stop("SIGTERM")).toBe(0);
  });
});

describe("the service by itself", () => {
  const cli = join(root, "dist/cli/orchestrator.mjs");
  const serve = async (env: Record<string, string>): Promise<string> => {
    const cwd = workDir();
    await mkdir(cwd, { recursive: true });
    const service = startNode([cli, "serve", "--port", "0"], cwd, env);
    stops.push(() => service.stop("SIGKILL"));
    return (await service.printed(/Listening on (http:\S+)\//))[1]!;
  };

  test("is limited unless it says otherwise, its probes never", async () => {
    const url = await serve({});
    for (const path of ["/runs", "/api/orchestrator"]) {
      expect((await fetch(url + path)).headers.get("ratelimit-policy")).toBe("120;w=60");
    }
    const health = await fetch(`${url}/health`);
    expect({ status: health.status, limited: health.headers.has("ratelimit-limit") }).toEqual({
      status: 200,
      limited: false,
    });
    // Node would answer this one without a body.
    const headers = Object.fromEntries(
      Array.from({ length: 5 }, (_, n) => [`x-${n}`, "x".repeat(4000)]),
    );
    const large = await fetch(`${url}/runs`, { headers });
    expect({ status: large.status, body: await large.json() }).toMatchObject({
      status: 431,
      body: { limit: 16_384 },
    });
  });

  test("has its keys from the environment, at the root too", async () => {
    const url = await serve({ ORCHESTRATOR_API_KEY: "secret" });
    for (const path of ["/runs", "/api/orchestrator/runs"]) {
      expect((await send(url + path)).body).toEqual({ error: "unauthorized" });
      expect((await send(url + path, undefined, bearer("secret"))).body).toEqual({ runs: [] });
    }
    for (const path of ["/health", "/ready", "/api/orchestrator/ready"]) {
      expect((await fetch(url + path)).status, path).toBe(200);
    }
  });
});

test.runIf(process.platform === "linux")("the example for Hono says who asks", async () => {
  const app = await createApp({ from: join(root, "examples/hono") });
  stops.push(app.remove);
  const server = await startHost(join(app.dir, "server.mjs"), app.dir, { RATE_LIMIT_MAX: "1" });
  stops.push(() => server.stop("SIGKILL"));
  for (const address of ["127.0.0.2", "127.0.0.3"]) {
    const base = `${server.url}/api/orchestrator`;
    expect([await getFrom(base, address), await getFrom(base, address)]).toEqual([200, 429]);
  }
});
