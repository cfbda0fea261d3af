import { expect, test } from "vitest";
import { resolveConfig } from "../../src/config.ts";
import { InMemoryServerRegistry } from "../../src/core/server-registry.ts";
import { resolveHandlerOptions } from "../../src/runtime/handler-options.ts";

const run = async (): Promise<{ status: "pass" }> => ({ status: "pass" });

test("without options everything is as the module has it", () => {
  const { options, runners, modules, dataDir } = resolveHandlerOptions({});
  const { pattern: _, runners: served, ...same } = resolveConfig({}, "/");
  expect(options).toEqual(same);
  expect(runners).toEqual({ exports: {}, timeout: served && served.timeout });
  expect({ modules, dataDir }).toEqual({ modules: {}, dataDir: undefined });
});

test.each([
  { route: "api" },
  { registry: { type: "redis" } },
  { registry: { type: "in-memory", servers: [{ id: "a" }] } },
  { loadBalancer: "fastest" },
  { healthCheck: { interval: 0 } },
  { circuit: { failures: 1.5 } },
  { execution: { retries: 1 } },
  { cors: "https://a.example" },
  { cors: { origins: "https://a.example" } },
  { cors: { origins: ["https://a.example/path"] } },
  { cors: { origin: [] } },
  { rateLimit: true },
  { rateLimit: { max: 0 } },
  { rateLimit: { window: 0.5 } },
  { rateLimit: { trustProxy: 33 } },
  { rateLimit: { trustProxy: true } },
  { rateLimit: { burst: 1 } },
  { world: { type: "sqlite" } },
  { callbacks: { allow: ["https://a.test"] } },
  { runners: { eu: "https://a.example" }, registry: "in-memory" },
])("%j is refused in the words of the module", (options) => {
  const messageOf = (resolve: () => unknown): string => {
    try {
      resolve();
    } catch (error) {
      expect(error).toMatchObject({ code: "CONFIG_INVALID" });
      return (error as Error).message;
    }
    throw new Error("was not refused");
  };
  const message = messageOf(() => resolveHandlerOptions(options));
  expect(message).toMatch(/^orchestrator\./);
  expect(message).toBe(messageOf(() => resolveConfig(options, "/")));
});

test.each([
  [{ pattern: "*.ts" }, /^orchestrator\.pattern is not an option/],
  [{ runnerTimeout: 0 }, /^orchestrator\.runnerTimeout/],
  [{ apiKeys: [] }, /^orchestrator\.apiKeys must be a list of one or more/],
  [{ apiKeys: [{ name: "a", key: "b" }] }, /^orchestrator\.apiKeys\[0\]\.scopes must be/],
  [{ dataDir: " " }, /^orchestrator\.dataDir must be/],
  [{ runners: [run] }, /^orchestrator\.runners must be an object/],
  [{ runners: { eu: "runner.example.com" } }, /^orchestrator\.runners/],
  [{ runners: { run, runSchema: {} } }, /^orchestrator\.runners\.runSchema must be/],
  ["/api", /^orchestrator must be an object/],
])("%j is refused with its path", (options, message) => {
  expect(() => resolveHandlerOptions(options)).toThrow(message);
});

test("runners are functions, or servers by region", () => {
  expect(resolveHandlerOptions({ runners: { run } }).runners.exports).toEqual({ run });
  const { options, runners } = resolveHandlerOptions({ runners: { eu: "https://a.example" } });
  expect(options.registry).toMatchObject({
    type: "in-memory",
    servers: [{ url: "https://a.example", region: "eu" }],
  });
  expect(runners.exports).toEqual({});
});

test("an instance, a class or a factory stands for a module", () => {
  const registry = new InMemoryServerRegistry({ servers: [] });
  const made = resolveHandlerOptions({ registry, loadBalancer: () => ({ select: () => "a" }) });
  expect(made.modules.registry).toBe(registry);
  expect(made.options.registry).toMatchObject({ type: "module" });
  expect(made.options.loadBalancer).toMatchObject({ type: "module" });
  expect(resolveHandlerOptions({ loadBalancer: "./mine.js" }).options.loadBalancer).toEqual({
    type: "module",
    path: "./mine.js",
  });
});

test("the route may be empty for a server that does nothing else", () => {
  expect(resolveHandlerOptions({ route: "" }).options.route).toBe("");
  expect(resolveHandlerOptions({ route: "/" }).options.route).toBe("");
  expect(resolveHandlerOptions({ route: "/runs/" }).options.route).toBe("/runs");
});
