import orchestrator from "@runners/orchestrator/nitro";
import { defineConfig } from "nitro";

export default defineConfig({ modules: [orchestrator], serverDir: "./" });
