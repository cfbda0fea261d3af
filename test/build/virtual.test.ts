import { expect, test } from "vitest";
import { engineTemplate } from "../../src/build/virtual/engine.ts";
import { manifestTemplate } from "../../src/build/virtual/manifest.ts";
import { optionsTemplate } from "../../src/build/virtual/options.ts";
import { runnersTemplate } from "../../src/build/virtual/runners.ts";
import { resolveConfig } from "../../src/config.ts";
import { root } from "../_support/app.ts";

// Paths as they come on Windows, and with what would end a string.
const odd = 'C:\\a "b"\\c.ts';
const quoted = String.raw`"C:\\a \"b\"\\c.ts"`;

test("the manifest is bundled in production and loaded from its file in dev", () => {
  expect(manifestTemplate(odd, false)).toBe(`export { inputs, workflows } from ${quoted};
export const file = undefined;
`);
  expect(manifestTemplate(odd, true)).toBe(`export const file = ${quoted};
export const workflows = [];
export const inputs = {};
`);
});

test("the engine's handlers are re-exported", () => {
  expect(engineTemplate({ flow: "#workflow/workflows.mjs", step: odd })).toBe(
    `export { default as flow } from "#workflow/workflows.mjs";
export { default as step } from ${quoted};
`,
  );
});

test("runners are imported one by one, under the names they are served by", () => {
  expect(
    runnersTemplate([
      { file: odd, name: "a", exportName: "a" },
      { file: odd, name: "aInputSchema", exportName: "aInputSchema" },
      { file: "/b.ts", name: "b", exportName: "default" },
    ]),
  ).toBe(`import { a as r0 } from ${quoted};
import { aInputSchema as r1 } from ${quoted};
import { default as r2 } from "/b.ts";
export const runners = { "a": r0, "aInputSchema": r1, "b": r2 };
`);
  expect(runnersTemplate([])).toBe("export const runners = {  };\n");
});

test("the options are JSON, and the user's own modules imports", () => {
  const options = resolveConfig({ registry: "./src/config", loadBalancer: "random" }, root);
  const template = optionsTemplate(options);
  expect(template.split("\n")[0]).toBe(
    `import registry from ${JSON.stringify(`${root}src/config.ts`)};`,
  );
  expect(template).toContain("export const modules = { registry };");
  const json = template.match(/export const options = (\{[\s\S]*?\n\});/)![1]!;
  expect(JSON.parse(json)).toEqual(options);
});
