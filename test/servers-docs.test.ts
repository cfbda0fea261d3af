import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseSync } from "oxc-parser";
import { expect, test } from "vitest";
import { joiningTerms, parseRegistry } from "../src/core/server-options.ts";
import { root } from "./_support/app.ts";

const read = (path: string): string => readFileSync(join(root, path), "utf8");
const guide = read("docs/servers.md");

/** The members of an exported interface. */
function membersOf(path: string, name: string): string[] {
  const { program } = parseSync(path, read(path));
  return program.body.flatMap((node) => {
    const declaration = node.type === "ExportNamedDeclaration" ? node.declaration : null;
    if (declaration?.type !== "TSInterfaceDeclaration" || declaration.id.name !== name) return [];
    return declaration.body.body.flatMap((member) =>
      member.type === "TSPropertySignature" && member.key.type === "Identifier"
        ? [member.key.name]
        : [],
    );
  });
}

/** Names and second cells of the table below a heading's first mention of its head. */
function rowsOf(head: string): Map<string, string> {
  const [, rows] = new RegExp(`^\\| ${head} .*\\n\\| -.*\\n((?:\\|.*\\n)+)`, "m").exec(guide)!;
  return new Map(
    [...rows!.matchAll(/^\| `(\w+)` +\| (.*?) +\|/gm)].map(([, name, cell]) => [name!, cell!]),
  );
}

test("docs/servers.md shows the example as it is, which a test starts", () => {
  const [, path, code] = /^```js\n\/\/ (examples\/\S+)\n(.*?)^```$/ms.exec(guide)!;
  expect(code).toBe(read(path!));
});

test("docs/servers.md lists the keys of a registry in a storage, with their defaults", () => {
  const rows = rowsOf("Key");
  const members = ["JoiningConfig", "StorageRegistryConfig"].flatMap((name) =>
    membersOf("src/types/registry-config.ts", name),
  );
  expect([...rows.keys()].toSorted()).toEqual(members.filter((one) => one !== "type").toSorted());
  const { interval, ttl } = joiningTerms({});
  expect([rows.get("heartbeat"), rows.get("ttl")]).toEqual([`\`${interval}\``, `\`${ttl}\``]);
  for (const [, json] of guide.matchAll(/^```json\n(.*?)^```$/gms)) {
    expect(parseRegistry(JSON.parse(json!), "registry")).toMatchObject({ type: "storage" });
  }
});

test("docs/servers.md lists the options of joinOrchestrator", () => {
  const options = membersOf("src/runner/join.ts", "JoinOrchestratorOptions");
  expect(options.length).toBeGreaterThan(5);
  expect([...rowsOf("Option").keys()].toSorted()).toEqual(options.toSorted());
});
