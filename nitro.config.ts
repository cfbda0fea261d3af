import { defineConfig } from "nitro";
import orchestrator from "@runners/orchestrator/nitro";

/** The playground: one build that is an orchestrator and, with `ORCHESTRATOR_REGION` set, a region's runner server. */
export default defineConfig({
  modules: [orchestrator],
  serverDir: "playground",
  buildDir: ".nitro",
  // The engine would else look for workflows in `src/` and `test/` too.
  workflow: { dirs: ["playground"] },
  orchestrator: {
    pattern: "playground/workflows/**/*.ts",
    runners: { pattern: "playground/runners/**/*.ts" },
  },
  $development: {
    orchestrator: {
      // `npm run dev` is one process: it serves both regions itself.
      registry: {
        type: "in-memory",
        servers: ["eu-west-1", "us-east-1"].map((region) => ({
          id: region,
          url: `http://localhost:${process.env.PORT ?? 3000}/api/runner`,
          region,
        })),
      },
    },
  },
});
