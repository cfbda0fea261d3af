import { stat } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { OrchestratorError } from "../core/errors.ts";
import { isStandardSchema } from "../core/standard-schema.ts";
import type { Manifest } from "../types/manifest.ts";

/** Answers with the manifest of now. */
export type LoadManifest = () => Promise<Manifest>;

/** The bundled manifest in production; in dev the file's, loaded anew after each change. */
export function manifestLoader(bundled: Manifest & { file?: string | undefined }): LoadManifest {
  const { file, workflows, inputs } = bundled;
  if (file === undefined) {
    return async () => checked({ workflows, inputs });
  }
  let version: number | undefined;
  let current: Manifest = { workflows: [], inputs: {} };
  return async () => {
    const { mtimeMs } = await stat(file);
    if (mtimeMs !== version) {
      const url = `${pathToFileURL(file).href}?t=${mtimeMs}`;
      current = checked((await import(/* @vite-ignore */ url)) as Manifest);
      version = mtimeMs;
    }
    return current;
  };
}

/** @throws OrchestratorError `CONFIG_INVALID` for an input export that cannot validate anything */
function checked(manifest: Manifest): Manifest {
  for (const { name, file } of manifest.workflows) {
    if (!Object.hasOwn(manifest.inputs, name) || isStandardSchema(manifest.inputs[name])) continue;
    throw new OrchestratorError(
      "CONFIG_INVALID",
      `${file}: the input export of "${name}" must be a Standard Schema, such as one of zod 4 or valibot. If it is none, rename it: \`<workflow>Input\` is taken for the workflow's input schema.`,
    );
  }
  return manifest;
}
