import { availableParallelism } from "node:os";
import { defineConfig, type ViteUserConfig } from "vitest/config";
import { bundleOwnWorkflows } from "./scripts/own-workflows.ts";

/** Puts the script of our own workflows where the package's build would. */
const ownWorkflows = {
  name: "own-workflows",
  load: (id: string): Promise<string> | undefined =>
    id.endsWith("/src/runtime/workflows/script.ts") ? bundleOwnWorkflows() : undefined,
};

const shared = { testTimeout: 60_000, hookTimeout: 120_000 };
const exclude = ["**/node_modules/**", "**/dist/**", "**/fixture/**", "**/.tmp/**"];
// These build apps and start servers; the built package in dist/ is what they use.
const endToEnd = ["test/e2e/**/*.test.ts", "test/demo.test.ts"];

const config: ViteUserConfig = defineConfig({
  test: {
    // Most tests wait for processes and not for a processor: a second file at a time is a third off the whole.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    projects: [
      {
        plugins: [ownWorkflows],
        test: {
          ...shared,
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: [...exclude, ...endToEnd],
        },
      },
      {
        test: {
          ...shared,
          name: "e2e",
          include: endToEnd,
          exclude,
          globalSetup: ["test/_support/build-fixture.ts"],
        },
      },
    ],
  },
});

export default config;
