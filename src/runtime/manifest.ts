import { stat } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import type { Manifest } from "../types/manifest.ts";

/** Answers with the manifest of now. */
export type LoadManifest = () => Promise<Manifest>;

/** The bundled manifest in production; in dev the file's, loaded anew after each change. */
export function manifestLoader(bundled: Manifest & { file?: string | undefined }): LoadManifest {
  const { file, workflows, inputs } = bundled;
  if (file === undefined) return async () => ({ workflows, inputs });
  let version: number | undefined;
  let current: Manifest = { workflows: [], inputs: {} };
  return async () => {
    const { mtimeMs } = await stat(file);
    if (mtimeMs !== version) {
      const url = `${pathToFileURL(file).href}?t=${mtimeMs}`;
      current = (await import(/* @vite-ignore */ url)) as Manifest;
      version = mtimeMs;
    }
    return current;
  };
}
