import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { send } from "../_support/api.ts";
import { type TestServer, workDir } from "../_support/app.ts";
import { resultsOf, submit } from "../_support/hosts.ts";
import { version } from "../../src/core/version.ts";
import { freePort } from "../_support/process.ts";
import { runCli, startService } from "../_support/service.ts";

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

async function start(options: Parameters<typeof startService>[0]): Promise<TestServer> {
  const server = await startService(options);
  stops.push(() => server.stop("SIGKILL"));
  return server;
}

/** A folder with a file of runners. */
async function folderOf(file: string, source: string): Promise<string> {
  const cwd = workDir();
  await mkdir(cwd, { recursive: true });
  await writeFile(join(cwd, file), source);
  return cwd;
}

const runners = "export const statusTest = async () => ({ status: 'pass' });";

test("it serves the API below its route, the operators' paths at the root too, and runners.mjs in local mode", async () => {
  const cwd = await folderOf("runners.mjs", runners);
  const server = await start({ cwd });
  const base = `${server.url}/api/orchestrator`;
  for (const path of [server.url, base]) {
    expect((await send(`${path}/health`)).body).toEqual({ ok: true, service: "orchestrator" });
    expect((await send(`${path}/ready`)).body).toEqual({ ok: true });
  }
  const runId = await submit(base, "local", "https://example.com");
  expect((await resultsOf(base, runId)).body.summary).toMatchObject({ total: 1, passed: 1 });
  expect(server.output().match(/Listening on/g)).toHaveLength(1);
  const [, docs] = server.output().match(/docs at (\S+)/)!;
  expect((await fetch(docs!)).headers.get("content-type")).toContain("text/html");
  expect(await server.stop("SIGTERM")).toBe(0);
});

test("options say where it listens, what it runs and where it keeps it; PORT and HOST where they do not", async () => {
  const cwd = await folderOf("checks.mjs", runners);
  const port = await freePort();
  const args = ["--runners", "checks.mjs", "--data-dir=data", "--route", "/checks"];
  const first = await start({
    cwd,
    args: [...args, "--port", String(port)],
    env: { PORT: "1", HOST: "127.0.0.1" },
  });
  expect(first.url).toBe(`http://127.0.0.1:${port}`);
  const runId = await submit(`${first.url}/checks`, "local", "https://example.com");
  await resultsOf(`${first.url}/checks`, runId);
  await first.stop("SIGTERM");
  // What is kept there is found there.
  const second = await start({ cwd, args });
  expect((await send(`${second.url}/checks/${runId}`)).body.state).toBe("completed");
});

test("variables that are empty count as not set, but for keys", async () => {
  const names = ["PORT", "HOST", "PLAYWRIGHT_RUNNERS", "WORKFLOW_TARGET_WORLD"];
  const env = Object.fromEntries(names.map((name) => [name, ""]));
  const server = await start({ env });
  expect((await send(`${server.url}/runs`)).status).toBe(200);
});

describe("what stops it is one line on stderr, and exit code 1", () => {
  const refusals: [string, string[], RegExp][] = [
    ["no command", [], /No command was given\. Known: serve/],
    ["an unknown command", ["sevre"], /Unknown command "sevre"\. Known: serve/],
    ["an unknown option", ["serve", "--prt", "1"], /Unknown option --prt\. Known: --port, /],
    ["an option without a value", ["serve", "--port"], /--port needs a value/],
    ["a port that is none", ["serve", "--port", "70000"], /--port must be a port .*got "70000"/],
    ["a word too many", ["serve", "now"], /takes no "now"/],
    ["a route that is none", ["serve", "--route", "x"], /orchestrator\.route must be/],
    ["a time that is none", ["serve", "--shutdown-timeout", "1s"], /--shutdown-timeout must be/],
    [
      "a host of somebody else's",
      ["serve", "--host", "192.0.2.1"],
      /Cannot listen on 192\.0\.2\.1/,
    ],
    ["runners that are not there", ["serve", "--runners", "x.mjs"], /--runners names a file/],
  ];

  test.each(refusals)("%s", async (_what, args, message) => {
    expect(await refusal(args)).toMatch(message);
  });

  test("runners that do not load, or are none", async () => {
    const broken = await folderOf("runners.mjs", "export const a = ;\n");
    expect(await refusal(["serve"], { cwd: broken })).toMatch(
      /runners\.mjs cannot be loaded: Unexpected token/,
    );
  });

  test("a variable that cannot be read", async () => {
    expect(await refusal(["serve"], { env: { PORT: "http" } })).toMatch(/PORT must be a whole/);
    // Who meant to set a key must not be without one.
    const keyless = { ORCHESTRATOR_API_KEY: "" };
    expect(await refusal(["serve", "--port", "0"], { env: keyless })).toMatch(
      /ORCHESTRATOR_API_KEY must be/,
    );
  });

  test.each([
    [{ ORCHESTRATOR_REGISTRY: "./none.mjs" }, /ORCHESTRATOR_REGISTRY names a module .*none\.mjs/],
    [{ ORCHESTRATOR_LOAD_BALANCER: "./none.mjs" }, /ORCHESTRATOR_LOAD_BALANCER names a module /],
    [{ WORKFLOW_TARGET_WORLD: "no-world" }, /WORKFLOW_TARGET_WORLD .*'no-world'; install it/],
  ])("a module that is not there, %j", async (env, message) => {
    expect(await refusal(["serve", "--port", "0"], { cwd: workDir(), env })).toMatch(message);
  });

  test("a port that is in use", async () => {
    const { url } = await start({});
    const port = new URL(url).port;
    expect(await refusal(["serve", "--port", port])).toMatch(
      new RegExp(`127\\.0\\.0\\.1, port ${port} is in use`),
    );
  });

  test("a folder that is another process's", async () => {
    const cwd = workDir();
    const first = await start({ cwd });
    expect(await refusal(["serve", "--port", "0"], { cwd })).toMatch(
      new RegExp(`^\\[orchestrator\\] the World in .* is in use by process ${first.child.pid}`),
    );
  });
});

test("--help and --version print what they should", async () => {
  const help = await runCli(["--help"]);
  expect(help.output).toMatch(/USAGE orchestrator serve/);
  const serve = await runCli(["serve", "--port", "x", "--help"]);
  for (const option of ["port", "host", "runners", "data-dir", "route", "shutdown-timeout"]) {
    expect(serve.output).toContain(`--${option}=`);
  }
  const told = await runCli(["--version"]);
  expect(told.output).toBe(`${version}\n`);
  expect([help.code, serve.code, told.code]).toEqual([0, 0, 0]);
});

/** The one line that a command ends with. */
async function refusal(args: string[], options?: Parameters<typeof runCli>[1]): Promise<string> {
  const { code, output } = await runCli(args, options);
  expect({ code, lines: output.trim().split("\n").length }, output).toEqual({ code: 1, lines: 1 });
  return output;
}
