import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { scan } from "../../src/build/scan.ts";
import type { DirectiveName } from "../../src/build/directives.ts";
import type { Problem } from "../../src/build/problem.ts";
import { root } from "../_support/app.ts";

const folders: string[] = [];

afterEach(async () => {
  await Promise.all(folders.splice(0).map((dir) => rm(dir, { recursive: true, force: true })));
});

/** Scans files written to a folder of their own. */
async function scanFiles(
  files: Record<string, string>,
  patterns = ["workflows/**/*.ts"],
  directive: DirectiveName = "use workflow",
) {
  const dir = await mkdtemp(join(tmpdir(), "scan-"));
  folders.push(dir);
  for (const [path, contents] of Object.entries(files)) {
    await mkdir(dirname(join(dir, path)), { recursive: true });
    await writeFile(join(dir, path), contents);
  }
  return scan(dir, patterns, directive);
}

async function problemsOf(source: string): Promise<Problem[]> {
  return (await scanFiles({ "workflows/a.ts": source })).problems;
}

const flow = (head: string): string => `${head} {\n  "use workflow";\n}\n`;

describe("every form of the directive is found", () => {
  test("in the fixture with a file a form", async () => {
    const { found, problems } = await scan(
      join(root, "test/fixture/forms"),
      ["workflows/**/*.ts"],
      "use workflow",
    );
    expect(problems).toEqual([]);
    const rows = found.map((f) => [
      f.name,
      f.file,
      f.line,
      f.binding,
      f.accepts,
      f.parameters.join(" "),
      f.ownLine,
    ]);
    expect(rows).toEqual([
      ["arrow", "workflows/arrow.ts", 1, "arrow", "job", "job", true],
      ["byItsName", "workflows/default-named.ts", 1, "byItsName", "unknown", "", true],
      ["declaration", "workflows/declaration.ts", 2, "declaration", "jobs", "jobs", true],
      ["deep", "workflows/nested/deep/index.ts", 1, "default", "unknown", "", true],
      ["defaultArrow", "workflows/default-arrow.ts", 1, "default", "unknown", "", true],
      [
        "expression",
        "workflows/expression.ts",
        1,
        "expression",
        "unknown",
        "first {…} ...rest",
        true,
      ],
      ["größe", "workflows/unicode.ts", 1, "größe", "unknown", "", true],
      ["imported", "lib/shared.ts", 10, "starred", "unknown", "", true],
      ["moduleArrow", "workflows/module-level.ts", 5, "moduleArrow", "unknown", "", true],
      ["moduleLevel", "workflows/module-level.ts", 3, "moduleLevel", "unknown", "", true],
      ["oneLine", "workflows/one-line.ts", 1, "oneLine", "unknown", "", false],
      ["renamed", "lib/shared.ts", 5, "shared", "unknown", "input", true],
      ["separate", "workflows/separate.ts", 1, "inner", "unknown", "", true],
      ["shared", "lib/shared.ts", 5, "shared", "unknown", "input", true],
      ["starred", "lib/shared.ts", 10, "starred", "unknown", "", true],
      ["wrapped", "workflows/wrapped.ts", 3, "wrapped", "unknown", "n", true],
    ]);
  });

  test("whatever the line ends and the byte order mark", async () => {
    const { found, problems } = await scanFiles({
      "workflows/a.ts":
        '\uFEFF/** Doc. */\r\nexport async function a() {\r\n  "use workflow";\r\n}\r\n',
    });
    expect(problems).toEqual([]);
    expect(found).toMatchObject([{ name: "a", description: "Doc.", line: 2, ownLine: true }]);
  });

  test("two files that re-export the same function under one name are one", async () => {
    const { found, problems } = await scanFiles({
      "workflows/a.ts": flow("export async function a()"),
      "workflows/b.ts": 'export { a } from "./a";\n',
      "workflows/index.ts": 'export * from "./b";\n',
    });
    expect(problems).toEqual([]);
    expect(found.map((f) => [f.name, f.file])).toEqual([["a", "workflows/a.ts"]]);
  });

  test("files that re-export each other do not run in circles", async () => {
    const { found } = await scanFiles({
      "workflows/a.ts": `export * from "./b";\n${flow("export async function a()")}`,
      "workflows/b.ts": `export * from "./a";\n${flow("export async function b()")}`,
    });
    expect(found.map((f) => f.name)).toEqual(["a", "b"]);
  });
});

describe("a fault is reported with file, line and mend", () => {
  test("two workflows of one name", async () => {
    const { problems } = await scanFiles({
      "workflows/a.ts": flow("export async function twin()"),
      "workflows/b.ts": `\n${flow("export async function twin()")}`,
    });
    expect(problems).toEqual([
      {
        file: "workflows/b.ts",
        line: 2,
        column: 1,
        message: 'the name "twin" is taken by workflows/a.ts:1',
        mend: "Rename one of the two exports: the name is the route.",
      },
    ]);
  });

  test.each(["run", "runs", "orchestrator", "docs"])(
    "a workflow of the name %s, which is ours",
    async (name) => {
      const { problems } = await scanFiles({
        "workflows/a.ts": `\n${flow(`export async function ${name}()`)}`,
      });
      expect(problems).toEqual([
        {
          file: "workflows/a.ts",
          line: 2,
          column: 1,
          message: `the name "${name}" is taken by @runners/orchestrator, which serves its own under it`,
          mend: "Rename the export: the name is the route.",
        },
      ]);
    },
  );

  test("but a runner may have any name", async () => {
    const source = 'export async function run() {\n  "use runner";\n}\n';
    const { found, problems } = await scanFiles(
      { "workflows/a.ts": source },
      undefined,
      "use runner",
    );
    expect([found.map(({ name }) => name), problems]).toEqual([["run"], []]);
  });

  test.each([
    ["a function", "export function a()", "not async"],
    ["a function that is not exported", "function a()", "not async"],
    ["a generator", "export async function* a()", "a generator"],
  ])("the directive in %s that is not async", async (_what, head, why) => {
    const problems = await problemsOf(`\n${flow(head)}`);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatchObject({ file: "workflows/a.ts", line: 2 });
    expect(problems[0]!.message).toBe(
      `function "a" has the directive 'use workflow' but is ${why}`,
    );
    expect(problems[0]!.mend).toContain("async function a(");
  });

  test("a function that is not async in a file with the directive", async () => {
    const problems = await problemsOf('"use workflow";\nexport const a = () => 1;\n');
    expect(problems.map((p) => [p.line, p.message])).toEqual([
      [2, "function \"a\" has the directive 'use workflow' but is not async"],
    ]);
  });

  test.each([
    "use workflo",
    "use worklfow",
    "Use Workflow",
    "use-workflow",
    "useworkflow",
    "use workflows",
    "usr workflow",
  ])("the near miss '%s'", async (text) => {
    const problems = await problemsOf(`export async function a() {\n  "${text}";\n}\n`);
    expect(problems).toMatchObject([
      { line: 2, column: 3, message: `'${text}' looks like 'use workflow' but is not` },
    ]);
  });

  test.each([
    "use strict",
    "use step",
    "use client",
    "use server",
    "use runner",
    "use cache",
    "workflow",
  ])("but not the directive '%s', which is another", async (text) => {
    expect(await problemsOf(`export async function a() {\n  "${text}";\n}\n`)).toEqual([]);
  });

  test("the directive in backticks", async () => {
    const problems = await problemsOf("export async function a() {\n  `use workflow`;\n}\n");
    expect(problems[0]).toMatchObject({ line: 2, mend: "Write it in quotes: 'use workflow'." });
  });

  test.each(["const b = 1;", '"use strict";'])("the directive after %s", async (first) => {
    const problems = await problemsOf(
      `export async function a() {\n  ${first}\n  "use workflow";\n}\n`,
    );
    expect(problems[0]).toMatchObject({
      line: 3,
      message: expect.stringContaining("not the first statement"),
    });
  });

  test("a syntax error, and the other files are still listed", async () => {
    const { found, problems } = await scanFiles({
      "workflows/a.ts": "export const x = 1;\nexport async function (\n",
      "workflows/b.ts": flow("export async function b()"),
    });
    expect(problems[0]).toMatchObject({
      file: "workflows/a.ts",
      line: 2,
      message: expect.stringMatching(/^syntax error: /),
    });
    expect(found.map((f) => f.name)).toEqual(["b"]);
  });
});

describe("patterns", () => {
  const files = {
    "flows/a.ts": flow("export async function a()"),
    "flows/deep/er/b.mts": flow("export async function b()"),
    "other/c.ts": flow("export async function c()"),
    "node_modules/flows/d.ts": flow("export async function d()"),
  };

  test("several, with other extensions, and never a package's", async () => {
    const { found } = await scanFiles(files, ["**/flows/**/*.{ts,mts}", "other/*.ts"]);
    expect(found.map((f) => f.name)).toEqual(["a", "b", "c"]);
  });

  test("the same tree gives the same list, in whatever order it is written", async () => {
    const one = await scanFiles(files, ["**/*.ts", "**/*.mts"]);
    const two = await scanFiles(Object.fromEntries(Object.entries(files).toReversed()), [
      "**/*.mts",
      "**/*.ts",
    ]);
    expect(JSON.stringify(two)).toBe(JSON.stringify(one));
  });
});
