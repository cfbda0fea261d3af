import { describe, expect, test } from "vitest";
import { resolveConfig } from "../src/config.ts";
import { isOrchestratorError } from "../src/core/errors.ts";
import { root } from "./_support/app.ts";

const server = { id: "a", url: "https://a.example.com/api/runner", region: "eu" };

test("nothing configured gives the documented defaults", () => {
  expect(resolveConfig(undefined, root)).toEqual({
    pattern: ["workflows/**/*.ts", "src/workflows/**/*.ts"],
    route: "/api/orchestrator",
    registry: { type: "env" },
    loadBalancer: { type: "env" },
    runners: {
      serve: false,
      pattern: ["runners/**/*.ts", "src/runners/**/*.ts"],
      route: "/api/runner",
      timeout: 30_000,
    },
    healthCheck: { interval: 10_000, timeout: 2000 },
    circuit: { failures: 3, cooldown: 10_000 },
    execution: { attempts: 3, timeout: 300_000, wait: 60_000 },
    executors: { redis: { prefix: "orchestrator" }, postgres: {} },
    world: { type: "embedded", retention: { age: 2_592_000_000, count: 10_000 } },
    callbacks: {},
    service: false,
    shutdown: { timeout: 5000 },
  });
});

describe("a good value is taken", () => {
  test.each([
    ["a pattern as a string", { pattern: "flows/*.ts" }, { pattern: ["flows/*.ts"] }],
    [
      "a pattern with Windows separators",
      { pattern: [".\\flows\\**\\*.ts"] },
      { pattern: ["flows/**/*.ts"] },
    ],
    ["a route with a slash at its end", { route: "/jobs/" }, { route: "/jobs" }],
    [
      "servers in the config",
      { registry: { type: "in-memory", servers: [server] } },
      { registry: { type: "in-memory", servers: [server] } },
    ],
    [
      "a registry's class name",
      { registry: "InMemoryServerRegistry" },
      { registry: { type: "regions" } },
    ],
    [
      "a registry from a package",
      { registry: "@acme/registry" },
      { registry: { type: "module", path: "@acme/registry" } },
    ],
    [
      "a registry's path",
      { registry: "./src/config" },
      { registry: { type: "module", path: `${root}src/config.ts` } },
    ],
    [
      "origins of pages",
      { cors: { origins: ["https://App.example:8443/", "chrome-extension://abc", "*"] } },
      { cors: { origins: ["https://app.example:8443", "chrome-extension://abc", "*"] } },
    ],
    [
      "a part of a rate limit",
      { rateLimit: { max: 5, window: undefined, trustProxy: 0 } },
      { rateLimit: { max: 5, trustProxy: 0 } },
    ],
    ["no rate limit", { rateLimit: false }, { rateLimit: false }],
    ["a balancer's type", { loadBalancer: "sticky" }, { loadBalancer: { type: "sticky" } }],
    [
      "a balancer as an object",
      { loadBalancer: { type: "power-of-two" } },
      { loadBalancer: { type: "power-of-two" } },
    ],
    [
      "a balancer's class name",
      { loadBalancer: "RoundRobinLoadBalancer" },
      { loadBalancer: { type: "round-robin" } },
    ],
    [
      "a World by name",
      { world: "@workflow/world-postgres" },
      { world: { type: "target", name: "@workflow/world-postgres" } },
    ],
    [
      "Postgres, with what is kept of ended runs",
      { world: { type: "postgres", retention: { count: 5 } } },
      {
        world: { type: "target", name: "@workflow/world-postgres", retention: { count: 5 } },
      },
    ],
    [
      "the embedded World's retention",
      { world: { type: "embedded", retention: { count: 5 } } },
      { world: { type: "embedded", retention: { age: 2_592_000_000, count: 5 } } },
    ],
    [
      "hosts that may be called back",
      { callbacks: { allow: ["*.example.com", "10.0.0.0/8"] } },
      { callbacks: { allow: ["*.example.com", "10.0.0.0/8"] } },
    ],
    ["no runners", { runners: false }, { runners: false }],
    ["no health check", { healthCheck: false }, { healthCheck: false }],
    [
      "a part of an object",
      { execution: { attempts: 1 } },
      { execution: { attempts: 1, timeout: 300_000, wait: 60_000 } },
    ],
    [
      "runners",
      { runners: { pattern: "checks/*.ts", region: "eu", route: "/checks" } },
      {
        runners: {
          serve: true,
          pattern: ["checks/*.ts"],
          region: "eu",
          route: "/checks",
          timeout: 30_000,
        },
      },
    ],
    [
      "runners that are a map of URLs by region, in place of PLAYWRIGHT_RUNNERS",
      { runners: { eu: server.url, us: [server.url, `${server.url}/2`] } },
      {
        registry: {
          type: "in-memory",
          servers: [
            { id: "eu", url: server.url, region: "eu" },
            { id: "us-1", url: server.url, region: "us" },
            { id: "us-2", url: `${server.url}/2`, region: "us" },
          ],
        },
        runners: {
          serve: false,
          pattern: ["runners/**/*.ts", "src/runners/**/*.ts"],
          route: "/api/runner",
          timeout: 30_000,
        },
      },
    ],
  ])("%s", (_what, config, expected) => {
    expect(resolveConfig(config, root)).toMatchObject(expected);
  });
});

describe("a bad value is an error that starts with its path and says what was expected", () => {
  test.each([
    [{ registy: 1 }, /^orchestrator\.registy is not an option\. Known: pattern, /],
    [[], /^orchestrator must be an object/],
    [{ pattern: [] }, /^orchestrator\.pattern must be a glob/],
    [
      { pattern: ["a", 1] },
      /^orchestrator\.pattern\[1\] must be a glob or an array of globs \(got 1\)/,
    ],
    [
      { route: "api" },
      /^orchestrator\.route must be an absolute path such as \/api\/orchestrator \(got "api"\)/,
    ],
    [{ route: "/a/**" }, /^orchestrator\.route must be an absolute path/],
    [{ registry: { type: "redis" } }, /^orchestrator\.registry\.type must be \{type: "in-memory"/],
    [{ registry: "Registry" }, /^orchestrator\.registry must be /],
    [
      { registry: { type: "in-memory", servers: [{ ...server, url: "foo" }] } },
      /^orchestrator\.registry\.servers\[0\]\.url must be an absolute http\(s\) URL \(got "foo"\)/,
    ],
    [
      { registry: { type: "in-memory", servers: [server, server] } },
      /^orchestrator\.registry\.servers\[1\]\.id must be unique/,
    ],
    [
      { registry: { type: "in-memory", servers: [{ ...server, url: undefined }] } },
      /^orchestrator\.registry\.servers\[0\]\.url must be an absolute http\(s\) URL \(got undefined\)/,
    ],
    [{ registry: "./not/there" }, /^orchestrator\.registry names a module that is not there: /],
    [
      { loadBalancer: "fastest" },
      /^orchestrator\.loadBalancer: Unknown load balancer "fastest"\. Known: least-load, /,
    ],
    [{ loadBalancer: { type: "fastest" } }, /^orchestrator\.loadBalancer\.type: Unknown/],
    [
      { healthCheck: { interval: 0 } },
      /^orchestrator\.healthCheck\.interval must be a whole number from 1 to 2147483647 \(got 0\)/,
    ],
    [{ healthCheck: true }, /^orchestrator\.healthCheck must be an object/],
    [{ circuit: { failures: 1.5 } }, /^orchestrator\.circuit\.failures must be a whole number/],
    [
      { circuit: { failure: 1 } },
      /^orchestrator\.circuit\.failure is not an option\. Known: failures, cooldown/,
    ],
    [
      { execution: { timeout: "1s" } },
      /^orchestrator\.execution\.timeout must be a whole number from 1 to 2147483647 \(got "1s"\)/,
    ],
    [{ runners: { region: "" } }, /^orchestrator\.runners\.region must be a non-empty string/],
    [{ runners: { timeout: -1 } }, /^orchestrator\.runners\.timeout must be a whole number/],
    [{ runners: { patern: "x" } }, /^orchestrator\.runners\.patern is not an option/],
    [
      { runners: { timeout: 2 ** 31 } },
      /^orchestrator\.runners\.timeout must be a whole number from 1 to 2147483647/,
    ],
    [
      { route: "/x", runners: { route: "/x/" } },
      /^orchestrator\.runners\.route must not be orchestrator\.route/,
    ],
    [
      {
        registry: {
          type: "in-memory",
          servers: [{ ...server, capcity: 1 }],
        },
      },
      /^orchestrator\.registry\.servers\[0\]\.capcity is not known/,
    ],
    [{ callbacks: ["a.test"] }, /^orchestrator\.callbacks must be an object/],
    [
      { callbacks: { hosts: [] } },
      /^orchestrator\.callbacks\.hosts is not an option\. Known: allow/,
    ],
    [
      { callbacks: { allow: "a.test" } },
      /^orchestrator\.callbacks\.allow must be an array of hosts/,
    ],
    [
      { callbacks: { allow: ["a.test", "https://b.test"] } },
      /^orchestrator\.callbacks\.allow\[1\] must be a host such as .* \(got "https:\/\/b\.test"\)/,
    ],
    [{ world: { type: "redis" } }, /^orchestrator\.world must be "embedded", "local", a package/],
    [{ world: "" }, /^orchestrator\.world must be an object/],
    [
      { world: { type: "embedded", retention: { age: 0 } } },
      /^orchestrator\.world\.retention\.age must be a whole number above 0 \(got 0\)/,
    ],
    [{ world: { type: "embedded", path: "x" } }, /^orchestrator\.world\.path is not an option/],
    [
      { runners: { eu: server.url }, registry: "InMemoryServerRegistry" },
      /^orchestrator\.registry cannot stand beside orchestrator\.runners with URLs/,
    ],
    [
      { runners: { eu: server.url, us: "nowhere" } },
      /^orchestrator\.runners\["us"\] must be an absolute http\(s\) URL \(got "nowhere"\)/,
    ],
    [
      { runners: { eu: "http://user:secret@eu.example.com" } },
      /^orchestrator\.runners\["eu"\] must not contain credentials/,
    ],
    [{ runners: true }, /^orchestrator\.runners must be an object/],
  ])("%j", (config, message) => {
    let error: unknown;
    try {
      resolveConfig(config, root);
    } catch (thrown) {
      error = thrown;
    }
    expect(isOrchestratorError(error) && error.code).toBe("CONFIG_INVALID");
    expect((error as Error).message).toMatch(message);
  });
});
