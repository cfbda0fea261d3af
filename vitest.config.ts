import { defineConfig, type ViteUserConfig } from "vitest/config";

const config: ViteUserConfig = defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["**/node_modules/**", "**/dist/**", "**/fixture/**"],
    testTimeout: 30_000,
    hookTimeout: 120_000,
  },
});

export default config;
