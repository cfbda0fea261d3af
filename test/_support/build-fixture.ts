import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { createApp, root, runDir } from "./app.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Folder of the built `test/fixture/app`. */
    fixtureOutput: string;
  }
}

/** Builds the fixture app once for all end-to-end tests. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dir = runDir();
  const app = await createApp({ from: join(root, "test/fixture/app") });
  const { code, output } = await app.build();
  if (code !== 0) throw new Error(`the fixture app does not build:\n${output}`);
  project.provide("fixtureOutput", join(app.dir, ".output"));
  return () => rm(dir, { recursive: true, force: true });
}
