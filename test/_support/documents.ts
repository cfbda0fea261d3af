import { type DescribedRunner, orchestratorDocument } from "../../src/http/openapi.ts";
import type { Manifest, WorkflowEntry } from "../../src/types/manifest.ts";
import { documentedManifest, documentedRunners } from "./documented-api.ts";

/** Where the API is mounted, as a rule. */
export const route = "/api/orchestrator";

/** With all that a document can have. */
export const everything = { service: "", auth: true, limited: true };

/** The document as clients get it. */
export async function documentOf(
  manifest: Manifest = documentedManifest,
  mounted: string = route,
  runners: readonly DescribedRunner[] = documentedRunners,
  more: { service?: string | false; auth?: boolean; limited?: boolean } = {},
): Promise<any> {
  const document = await orchestratorDocument({
    route: mounted,
    manifest,
    runners,
    serverUrl: "/",
    ...more,
  });
  return JSON.parse(JSON.stringify(document));
}

/** An operation, and where it is. */
export interface Operation {
  path: string;
  method: string;
  operation: any;
}

/** All operations of a document. */
export function operationsOf({ paths }: any): Operation[] {
  return Object.entries<any>(paths).flatMap(([path, item]) =>
    Object.entries<any>(item).map(([method, operation]) => ({ path, method, operation })),
  );
}

/** A workflow as the build finds it. */
export function workflow(name: string): WorkflowEntry {
  const file = `workflows/${name}.ts`;
  return { name, workflowId: name, file, line: 1, parameters: ["jobs"], accepts: "jobs" };
}
