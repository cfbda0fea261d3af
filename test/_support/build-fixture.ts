import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { createApp, root } from "./app.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Folder of the built `test/fixture/app`. */
    fixtureOutput: string;
  }
}

/** Builds the fixture app once for all end-to-end tests. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await rm(join(root, ".tmp"), { recursive: true, force: true });
  const app = await createApp({ from: join(root, "test/fixture/app") });
  const { code, output } = await app.build();
  if (code !== 0) throw new Error(`the fixture app does not build:\n${output}`);
  project.provide("fixtureOutput", join(app.dir, ".output"));
  return () => rm(join(root, ".tmp"), { recursive: true, force: true });
}
