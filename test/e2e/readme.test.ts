import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { createApp, root, startServer, type TestApp, workDir } from "../_support/app.ts";
import { type Block, readBlocks, runCurls } from "../_support/blocks.ts";
import { runNode } from "../_support/process.ts";
import { startService } from "../_support/service.ts";

const blocks = readBlocks(readFileSync(join(root, "README.md"), "utf8"));
const stops: (() => Promise<unknown>)[] = [];

// Last started, first stopped: an app's folder goes after its servers.
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

test("every TypeScript block, here and in the guides, type-checks against the package's own types", async () => {
  const guides = ["docs/events.md", "docs/guard.md", "docs/runs.md", "docs/workers.md"].flatMap(
    (path) => readBlocks(readFileSync(join(root, path), "utf8")),
  );
  const typescript = [...blocks, ...guides].filter(({ language }) => language === "ts");
  expect(typescript.length).toBeGreaterThan(6);
  // A later block of the same file is a later version of it, and each has to be right.
  const files = Object.fromEntries(
    typescript.map(({ file, code }, index) => [
      file && !file.startsWith("nitro.config") ? file : `snippet-${index}.ts`,
      code,
    ]),
  );
  const app = await appOf({
    ...files,
    "tsconfig.json": JSON.stringify({
      compilerOptions: {
        target: "ES2023",
        module: "NodeNext",
        strict: true,
        noEmit: true,
        skipLibCheck: true,
        allowImportingTsExtensions: true,
        types: ["node"],
      },
    }),
  });
  const { code, output } = await runNode(
    [join(root, "node_modules/typescript/bin/tsc"), "--noEmit"],
    app.dir,
  );
  expect(output).toBe("");
  expect(code).toBe(0);
});

describe("Your own app", () => {
  const section = "Your own app";

  test("the blocks build and run as they stand, and curl prints what the README says", async () => {
    const files = filesOf(section);
    expect(Object.keys(files)).toEqual(["nitro.config.ts", "workflows/greet.ts"]);
    const commands = shellOf(section).map(({ code }) => code.trim());
    // The helpers below are these two commands, on a free port.
    expect(commands).toContain("npx nitro build\nnode .output/server/index.mjs");
    const url = await start(await build(files));
    expect(await runCurls(blocksOf(section), url)).toBe(3);
  });

  test("it installs the versions that the package asks for", () => {
    const { peerDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
      peerDependencies: Record<string, string>;
    };
    const [install] = shellOf(section);
    expect(install!.code.trim()).toBe(
      `npm install @runners/orchestrator nitro@${peerDependencies.nitro} workflow`,
    );
  });
});

describe("Runner servers", () => {
  const section = "Runner servers";

  test("one build, with the module as a string, is runner server and orchestrator", async () => {
    const files = {
      ...filesOf(section, ({ code }) => !code.includes("example.com")),
      ...filesOf("Input schemas"),
    };
    const asString = 'modules: ["@runners/orchestrator/nitro"]';
    expect(readFileSync(join(root, "README.md"), "utf8")).toContain(`\`${asString}\``);
    files["nitro.config.ts"] = files["nitro.config.ts"]!.replace(
      "modules: [orchestrator]",
      asString,
    ).replace(/^import orchestrator.*\n/m, "");
    const app = await build(files);

    const commands = shellOf(section).map(({ code }) => code.trim());
    const [runnerEnv, orchestratorEnv] = commands
      .filter((command) => command.endsWith("node .output/server/index.mjs"))
      .map(environmentOf);
    const { PORT: port, ...region } = runnerEnv!;
    const runner = await start(app, region);
    const info = (await (await fetch(`${runner}/api/runner/info`)).json()) as object;
    expect(info).toMatchObject({ runners: ["statusTest", "titleTest"], region: "eu-west-1" });

    const servers = orchestratorEnv!.PLAYWRIGHT_RUNNERS!.replace(
      `http://localhost:${port}`,
      runner,
    );
    const url = await start(app, { ...orchestratorEnv, PLAYWRIGHT_RUNNERS: servers });
    expect(await runCurls(blocksOf(section), url)).toBe(2);
    expect(await runCurls(blocksOf("Runs across regions"), url)).toBe(4);
    expect(await runCurls(blocksOf("Input schemas"), url)).toBe(1);
  });
});

describe("Follow a run", () => {
  const section = "Follow a run";

  test("a workflow asks, is approved and followed, as the README says", async () => {
    const files = {
      ...filesOf(section),
      "nitro.config.ts": filesOf("Your own app")["nitro.config.ts"]!,
    };
    expect(Object.keys(files)).toContain("workflows/ship.ts");
    expect(await runCurls(blocksOf(section), await start(await build(files)))).toBe(5);
  });
});

describe("Stand-alone", () => {
  test("the service runs as it stands, and curl prints what the README says", async () => {
    const section = "Stand-alone";
    const app = await appOf(filesOf(section));
    expect(shellOf(section)[0]!.code.trim().split("\n").at(-1)).toBe("npx orchestrator serve");
    const service = await startService({ cwd: app.dir });
    stops.push(() => service.stop("SIGKILL"));
    expect(await runCurls(blocksOf(section), service.url)).toBe(3);
  });
});

/** A section's files by path. */
function filesOf(
  section: string,
  wanted: (block: Block) => boolean = () => true,
): Record<string, string> {
  const files = blocks.filter((block) => block.section === section && block.file && wanted(block));
  return Object.fromEntries(files.map(({ file, code }) => [file!, code]));
}

function blocksOf(section: string): Block[] {
  return blocks.filter((block) => block.section === section);
}

function shellOf(section: string): Block[] {
  return blocks.filter((block) => block.section === section && block.language === "sh");
}

async function appOf(files: Record<string, string>): Promise<TestApp> {
  const app = await createApp({ files });
  stops.push(app.remove);
  return app;
}

async function build(files: Record<string, string>): Promise<TestApp> {
  const app = await appOf(files);
  const { code, output } = await app.build();
  expect(code, output).toBe(0);
  return app;
}

/** Starts the built app and answers with its URL. */
async function start(app: TestApp, env?: Record<string, string>): Promise<string> {
  const server = await startServer(join(app.dir, ".output"), workDir(), env);
  stops.push(() => server.stop("SIGKILL"));
  return server.url;
}

/** The variables in front of a command. */
function environmentOf(command: string): Record<string, string> {
  return Object.fromEntries(
    [...command.matchAll(/([A-Z_]+)=(?:'([^']*)'|(\S+)) /g)].map(([, name, quoted, bare]) => [
      name!,
      quoted ?? bare!,
    ]),
  );
}
