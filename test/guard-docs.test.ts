import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { requirementOf } from "../src/http/guard/scopes.ts";
import { root } from "./_support/app.ts";

const guide = readFileSync(join(root, "docs/guard.md"), "utf8");

test("docs/guard.md says what each request needs", async () => {
  const [, table] = /<!-- scopes -->(.*?)<!-- \/scopes -->/s.exec(guide)!;
  const rows = [...table!.matchAll(/^\| (.*?) +\| (`\w+`|nothing) +\|$/gm)];
  expect(rows).toHaveLength(6);
  for (const [, requests, need] of rows) {
    for (const [, code] of requests!.matchAll(/`([^`]+)`/g)) {
      const [method, path = "/some/path"] = code!.replace("{id}", "r1").split(" ");
      const { pathname, searchParams } = new URL(path, "http://localhost");
      const target = { method: method!, pathname, searchParams };
      const needs = await requirementOf(target, [""], async () => false);
      const said = needs.kind === "open" ? "nothing" : `\`${needs.scope}\``;
      expect(said, code).toBe(need);
    }
  }
});
