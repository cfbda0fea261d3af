import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseSync } from "oxc-parser";
import { expect, test } from "vitest";
import { resolveHandlerOptions } from "../src/runtime/handler-options.ts";
import { root } from "./_support/app.ts";

const read = (path: string): string => readFileSync(join(root, path), "utf8");
const guide = read("docs/hosts.md");

test("docs/hosts.md shows the examples as they are, which tests start", () => {
  const blocks = [...guide.matchAll(/^```[jt]s\n\/\/ (examples\/\S+)\n(.*?)^```$/gms)];
  expect(blocks.map(([, path]) => path!.split("/")[1])).toEqual([
    "node-http",
    "express",
    "hono",
    "nitro",
  ]);
  for (const [, path, code] of blocks) expect(code, path).toBe(read(path!));
});

test("docs/hosts.md lists every option of createOrchestratorHandler, and all are known", () => {
  const { program } = parseSync("handler.ts", read("src/types/handler.ts"));
  const options = program.body.flatMap((node) => {
    const declaration = node.type === "ExportNamedDeclaration" ? node.declaration : null;
    if (declaration?.type !== "TSInterfaceDeclaration") return [];
    if (declaration.id.name !== "OrchestratorHandlerOptions") return [];
    return declaration.body.body.map((member) =>
      member.type === "TSPropertySignature" && member.key.type === "Identifier"
        ? member.key.name
        : "",
    );
  });
  const rows = [...guide.matchAll(/^\| `(\w+)` /gm)].map(([, name]) => name!);
  expect(options.length).toBeGreaterThan(5);
  expect(rows.toSorted()).toEqual(options.toSorted());
  for (const name of options) {
    expect(() => resolveHandlerOptions({ [name]: undefined }), name).not.toThrow();
  }
});
