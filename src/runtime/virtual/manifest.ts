import type { StandardSchema, WorkflowEntry } from "../../types/manifest.ts";

// Stands for `#orchestrator/virtual/manifest` where no Nitro build made it.

/** Where dev finds the manifest's file, to load it anew when it changes. */
export const file: string | undefined = undefined;
export const workflows: WorkflowEntry[] = [];
export const inputs: Record<string, StandardSchema> = {};
