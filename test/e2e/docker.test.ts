import { existsSync, readFileSync } from "node:fs";
import { cp, mkdir, readFile, symlink } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { defaults } from "../../src/core/settings.ts";
import { root, workDir } from "../_support/app.ts";
import { runNode, startNode } from "../_support/process.ts";
import { freePort } from "../_support/process.ts";

/** One instruction of the Dockerfile. */
interface Instruction {
  name: string;
  text: string;
}

const read = (path: string): string => readFileSync(join(root, path), "utf8");
const stages = stagesOf(read("Dockerfile"));
const manifest = JSON.parse(read("package.json")) as Record<string, Record<string, string>>;

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

// No registry of images can be reached here: the steps are followed without Docker.
describe("Dockerfile", () => {
  const [build, service] = stages as [Instruction[], Instruction[]];

  test("its first stage builds from what the context has, and keeps what the service needs", async () => {
    const context = await contextOf(".dockerignore");
    for (const { text } of named(build, "COPY")) {
      const sources = text.split(" ").slice(0, -1);
      for (const source of sources) {
        expect(existsSync(join(root, source)), source).toBe(true);
        expect(source === "." || existsSync(join(context, source)), source).toBe(true);
      }
    }
    const steps = named(build, "RUN").map(({ text }) => text);
    expect(steps).toEqual([
      expect.stringMatching(/^npm ci /),
      "npm run build",
      expect.stringMatching(/^node scripts\/service-dependencies\.mjs /),
      expect.stringMatching(/^npm prune --omit=dev /),
    ]);
    // What `npm ci` brings is here already, in the same versions.
    await symlink(join(root, "node_modules"), join(context, "node_modules"), "dir");
    const built = await runNode([join(root, "node_modules/obuild/dist/cli.mjs")], context);
    expect(built.code, built.output).toBe(0);
    expect(manifest.scripts!.build).toBe("obuild");

    const names = steps[2]!.split(" ").slice(2);
    const [modes] = /^\| mode .*?\n\n/ms.exec(read("README.md"))!;
    const needed = [...modes.matchAll(/`([a-z@][\w@/-]*)`/g)].map(([, name]) => name!);
    const packages = needed.filter((name) => name in manifest.peerDependencies!);
    expect(packages).toHaveLength(5);
    expect(names).toEqual(expect.arrayContaining(packages));
    expect(names).toEqual(expect.arrayContaining(["workflow", "@workflow/world-postgres"]));
    const moved = await runNode(steps[2]!.split(" ").slice(1), context);
    expect(moved.code, moved.output).toBe(0);
    const after = JSON.parse(await readFile(join(context, "package.json"), "utf8"));
    expect(Object.keys(after.dependencies)).toEqual(
      expect.arrayContaining([...names, ...Object.keys(manifest.dependencies!)]),
    );
    expect(Object.keys(after.devDependencies)).not.toEqual(expect.arrayContaining(names));

    const copies = named(service, "COPY").map(({ text }) => text.split(" "));
    for (const [from, source] of copies) {
      expect(from).toBe("--from=build");
      expect(existsSync(join(context, source!.replace("/app/", ""))), source).toBe(true);
    }
  });

  test("its second stage is a service: not root, with a volume, found healthy, ended by SIGTERM", async () => {
    expect(named(service, "FROM")[0]!.text).toBe("node:22-slim");
    expect(named(service, "USER")[0]!.text).toBe("node");
    const volume = named(service, "VOLUME")[0]!.text;
    const env = Object.fromEntries(
      named(service, "ENV").flatMap(({ text }) =>
        text.split(" ").map((pair) => pair.split("=") as [string, string]),
      ),
    );
    expect(env).toMatchObject({ HOST: "0.0.0.0", ORCHESTRATOR_DATA_DIR: volume });
    expect(named(service, "EXPOSE")[0]!.text).toBe(env.PORT);

    const app = workDir();
    await mkdir(app, { recursive: true });
    for (const { text } of named(service, "COPY")) {
      const [, source, target] = text.split(" ");
      const path = source!.replace("/app/", "");
      expect(target).toBe(`./${path}`);
      if (path === "node_modules") await symlink(join(root, path), join(app, path), "dir");
      else await cp(join(root, path), join(app, path), { recursive: true });
    }
    const [node, ...entry] = JSON.parse(named(service, "ENTRYPOINT")[0]!.text) as string[];
    const command = JSON.parse(named(service, "CMD")[0]!.text) as string[];
    expect(node).toBe("node");
    const { NODE_ENV = "" } = env;
    const here = { NODE_ENV, PORT: String(await freePort()), HOST: "127.0.0.1" };
    const running = startNode([...entry, ...command], app, {
      ...here,
      ORCHESTRATOR_DATA_DIR: join(app, "data"),
    });
    stops.push(() => running.stop("SIGKILL"));
    await running.printed(new RegExp(`Listening on http://127.0.0.1:${here.PORT}/`));

    const check = named(service, "HEALTHCHECK")[0]!.text;
    const [, ...probe] = JSON.parse(check.slice(check.indexOf("["))) as string[];
    expect((await runNode(probe, app, here)).code).toBe(0);
    expect(await running.stop("SIGTERM")).toBe(0);
    expect((await runNode(probe, app, here)).code).toBe(1);
  });
});

describe("compose.yaml", () => {
  interface Service {
    image?: string;
    build?: string;
    environment?: Record<string, string>;
    volumes?: string[];
    healthcheck?: { test?: string[] };
    depends_on?: Record<string, { condition: string }>;
    stop_grace_period?: string;
  }
  const { services, volumes } = parse(read("compose.yaml")) as {
    services: Record<string, Service>;
    volumes: Record<string, null>;
  };

  test("has the service and what stands beside it, started in order and found healthy", () => {
    expect(Object.keys(services).toSorted()).toEqual([
      "grafana",
      "postgres",
      "prometheus",
      "redis",
      "service",
    ]);
    for (const [name, { image, build, depends_on = {} }] of Object.entries(services)) {
      expect([image, build].filter(Boolean), name).toHaveLength(1);
      for (const [other, { condition }] of Object.entries(depends_on)) {
        const { healthcheck: check, build: own } = services[other]!;
        expect([other, condition]).toEqual([other, "service_healthy"]);
        // The image of ours brings its own check.
        expect(check?.test ?? own, other).toBeDefined();
      }
    }
  });

  test("mounts files that are there, and volumes that it names", () => {
    const mounted = Object.values(services).flatMap(({ volumes: list = [] }) => list);
    expect(mounted.length).toBeGreaterThan(5);
    for (const [source] of mounted.map((mount) => mount.split(":"))) {
      if (source!.startsWith("./")) expect(existsSync(join(root, source!)), source).toBe(true);
      else expect(Object.keys(volumes)).toContain(source);
    }
    for (const kind of ["datasources/prometheus", "dashboards/orchestrator"]) {
      expect(parse(read(`deploy/grafana/provisioning/${kind}.yml`)).apiVersion).toBe(1);
    }
  });

  test("runs the service on Postgres, with variables that the README has, and has Prometheus scrape it", () => {
    const { service, postgres } = services;
    expect(service!.environment!.WORKFLOW_TARGET_WORLD).toBe("@workflow/world-postgres");
    expect(service!.environment!.WORKFLOW_POSTGRES_URL).toMatch(
      new RegExp(`^postgres://${postgres!.environment!.POSTGRES_USER}:.*@postgres:5432/`),
    );
    const documented = [...read("README.md").matchAll(/`([A-Z_]+)`/g)].map(([, name]) => name);
    expect(documented).toEqual(expect.arrayContaining(Object.keys(service!.environment!)));
    const grace = Number(/^(\d+)s$/.exec(service!.stop_grace_period!)![1]) * 1000;
    expect(grace).toBeGreaterThan(defaults.shutdown.timeout + 3000);
    const prometheus = parse(read("deploy/prometheus/prometheus.yml"));
    const targets = prometheus.scrape_configs.flatMap((scrape: any) =>
      scrape.static_configs.flatMap((config: { targets: string[] }) => config.targets),
    );
    expect(targets).toEqual(["service:7070"]);
  });
});

/** The instructions of each stage, in one line each. */
function stagesOf(text: string): Instruction[][] {
  const lines = text
    .replaceAll("\\\n", " ")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
  const found: Instruction[][] = [];
  for (const line of lines) {
    const [, name, rest] = /^([A-Z]+) +(.*)$/.exec(line)!;
    if (name === "FROM") found.push([]);
    found.at(-1)!.push({ name: name!, text: rest! });
  }
  return found;
}

function named(stage: Instruction[], name: string): Instruction[] {
  return stage.filter((instruction) => instruction.name === name);
}

/** The build's context in a folder of its own: what a list of exceptions lets in. */
async function contextOf(ignoreFile: string): Promise<string> {
  const [all, ...exceptions] = read(ignoreFile)
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
  expect(all).toBe("*");
  const context = workDir();
  await mkdir(context, { recursive: true });
  for (const exception of exceptions) {
    const path = exception.replace(/^!/, "");
    await cp(join(root, path), join(context, path), { recursive: true });
  }
  return context;
}
