import type { OrchestratorOptions } from "../../types/config.ts";

/** `#orchestrator/virtual/options`: the resolved options, and the user's modules that they name. */
export function optionsTemplate(options: OrchestratorOptions): string {
  const named = (["registry", "loadBalancer"] as const).flatMap((key) => {
    const resolved = options[key];
    return resolved.type === "module" ? [{ key, path: resolved.path }] : [];
  });
  return [
    ...named.map(({ key, path }) => `import ${key} from ${JSON.stringify(path)};`),
    `export const options = ${JSON.stringify(options, null, 2)};`,
    `export const modules = { ${named.map(({ key }) => key).join(", ")} };`,
    "",
  ].join("\n");
}
