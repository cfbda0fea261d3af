import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { build } from "esbuild";
import { afterEach, describe, expect, test, vi } from "vitest";
import { createServerGuard } from "../../src/runtime/guard.ts";
import { openRedis } from "../../src/runtime/redis.ts";
import { until } from "../_support/api.ts";
import { freePort } from "../_support/process.ts";
import { hasRedis, startRedis } from "../_support/redis.ts";
import { serveRunApi } from "../_support/run-api.ts";

const stops: (() => unknown)[] = [];

afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
  vi.restoreAllMocks();
});

/** What is said on stderr, of Redis alone. */
function listen(): string[] {
  const said: string[] = [];
  vi.spyOn(console, "error").mockImplementation((message: string) => void said.push(message));
  return said;
}

/** An instance of the app that limits what it is sent through this Redis. */
async function instance(url: string, max: number) {
  const { guard, start, close } = createServerGuard({
    options: { rateLimit: { max } },
    limited: false,
    env: { ORCHESTRATOR_REDIS_URL: url },
  });
  const api = await serveRunApi(["greet"], guard);
  stops.push(api.close, close);
  // Whoever looks after a process does so before it has started.
  await fetch(`${api.base}/health`);
  await start();
  return async () => {
    const { status, headers } = await api.send("");
    return { status, remaining: Number(headers.get("ratelimit-remaining")) };
  };
}

describe.runIf(hasRedis)("with a Redis", () => {
  async function redis() {
    const started = await startRedis();
    stops.push(started.kill);
    return started;
  }

  test("two instances share a limit", async () => {
    const { url } = await redis();
    const [one, other] = [await instance(url, 4), await instance(url, 4)];
    const answers = [await one(), await other(), await one(), await other()];
    expect(answers.map(({ remaining }) => remaining)).toEqual([3, 2, 1, 0]);
    expect([(await one()).status, (await other()).status]).toEqual([429, 429]);
  });

  test("it is killed half-way: each counts by itself, until it is back", async () => {
    const said = listen();
    const { url, kill, restart } = await redis();
    const [one, other] = [await instance(url, 5), await instance(url, 5)];
    await one();
    expect(await other()).toEqual({ status: 200, remaining: 3 });

    await kill();
    // Also the first, at which nobody may know yet.
    expect(await one()).toEqual({ status: 200, remaining: 4 });
    expect(await one()).toEqual({ status: 200, remaining: 3 });
    expect(await other()).toEqual({ status: 200, remaining: 4 });
    await until(() => said.length === 2);
    const where = url.replace("redis://", "");
    expect(said[0]).toMatch(new RegExp(`^\\[orchestrator\\] Redis at ${where} is away`));

    await restart();
    await until(() => said.length === 4);
    expect(said[3]).toBe(`[orchestrator] Redis at ${where} is back`);
    expect(await one()).toEqual({ status: 200, remaining: 4 });
    expect(await other()).toEqual({ status: 200, remaining: 3 });
  });

  test("one that stands still holds nobody up for long", async () => {
    const { url, freeze } = await redis();
    const one = await instance(url, 5);
    await one();
    freeze();
    const startedAt = performance.now();
    expect(await one()).toEqual({ status: 200, remaining: 4 });
    expect(performance.now() - startedAt).toBeLessThan(3000);
  });

  test("a window of less than a second ends there too", async () => {
    const { url } = await redis();
    const { guard, start, close } = createServerGuard({
      options: { rateLimit: { max: 1, window: 300 } },
      limited: false,
      env: { ORCHESTRATOR_REDIS_URL: url },
    });
    await start();
    const api = await serveRunApi(["greet"], guard);
    stops.push(api.close, close);
    expect((await api.send("")).status).toBe(200);
    const refused = await api.send("");
    expect(refused.headers.get("ratelimit-policy")).toBe("1;w=1");
    expect(refused.headers.get("retry-after")).toBe("1");
    await until(async () => (await api.send("")).status === 200, 5000);
  });

  test("it is there at the start, and the connection keeps no process alive", async () => {
    const { url } = await redis();
    const folder = await bundled("linked");
    expect(await printedBy(folder, url)).toBe("ready\n");
    expect(await printedBy(folder, url, "closed")).toBe("ready\nat once\n");
  });
});

test("where it is away from the start, that is said, requests are counted here, and it ends", async () => {
  const said = listen();
  const url = `redis://user:secret@127.0.0.1:${await freePort()}`;
  const one = await instance(url, 5);
  expect(await one()).toEqual({ status: 200, remaining: 4 });
  expect(said).toHaveLength(1);
  expect(said[0]).toMatch(/is away \(.*ECONNREFUSED.*\): until it is back/);
  expect(said[0]).not.toContain("secret");
  const folder = await bundled("linked");
  expect(await printedBy(folder, url)).toBe("end\n");
  expect(await printedBy(folder, url, "closed")).toBe("end\nat once\n");
});

test.each(["http://:secret@localhost", "localhost:6379", "redis://", "secret"])(
  "%j is refused, and not repeated",
  async (url) => {
    const opening = openRedis(url, "ORCHESTRATOR_REDIS_URL");
    await expect(opening).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      message: "ORCHESTRATOR_REDIS_URL must be a URL such as redis://localhost:6379",
    });
  },
);

test("without ioredis it says what to install", async () => {
  expect(await printedBy(await bundled("missing"), "redis://127.0.0.1:1")).toBe(
    "ORCHESTRATOR_REDIS_URL is set, which needs the package ioredis. Install it with `npm install ioredis@5`.\n",
  );
});

/** A folder with the connection as a module, where `ioredis` can be found or not. */
async function bundled(ioredis: "linked" | "missing"): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "redis-client-"));
  stops.push(() => rm(folder, { recursive: true }));
  await build({
    entryPoints: [fileURLToPath(new URL("../../src/runtime/redis.ts", import.meta.url))],
    outfile: join(folder, "redis.mjs"),
    bundle: true,
    platform: "node",
    format: "esm",
    external: ["ioredis"],
  });
  if (ioredis === "linked") {
    const require = createRequire(import.meta.url);
    await mkdir(join(folder, "node_modules"));
    const target = dirname(require.resolve("ioredis/package.json"));
    await symlink(target, join(folder, "node_modules/ioredis"));
  }
  return folder;
}

/** What a process prints that opens a connection, and perhaps closes it; it has to end by itself. */
async function printedBy(folder: string, url: string, closed?: "closed"): Promise<string> {
  const closing = `close();
  const closedAt = performance.now();
  process.on("exit", () => console.log(performance.now() - closedAt < 1000 ? "at once" : "late"));`;
  const script = `import { openRedis } from "./redis.mjs";
try {
  const { client, close } = await openRedis(${JSON.stringify(url)}, "ORCHESTRATOR_REDIS_URL");
  console.log(client.status);
  ${closed ? closing : ""}
} catch (error) {
  console.log(error.message);
}`;
  await writeFile(join(folder, "open.mjs"), script);
  const run = promisify(execFile);
  return (await run(process.execPath, ["open.mjs"], { cwd: folder, timeout: 10_000 })).stdout;
}
