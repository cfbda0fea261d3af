/** A discovered workflow. */
export interface WorkflowEntry {
  /** The name it is served under: its export's, or the file's for an anonymous default export. */
  name: string;
  /** The engine's id; absent where the engine does not compile it (the build says why). */
  workflowId?: string;
  /** Path from the app's root, with forward slashes. */
  file: string;
  /** 1-based line of the function. */
  line: number;
  /** The doc comment's text, if there is one. */
  description?: string;
  /** Names of the parameters as written; `{…}` and `[…]` for patterns. */
  parameters: string[];
  /** Whether the first parameter is a list of jobs, one job, or not known from its type or name. */
  accepts: "job" | "jobs" | "unknown";
}

/** A validation issue, in the shape all our 400 answers use. */
export interface ValidationIssue {
  path: (number | string)[];
  message: string;
  code?: string;
}

/** Any Standard Schema v1: zod, valibot, arktype and others. */
export interface StandardSchema<Output = unknown> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (
      value: unknown,
    ) => StandardSchemaResult<Output> | Promise<StandardSchemaResult<Output>>;
  };
}

/** What a Standard Schema's `validate` answers. */
export type StandardSchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | {
      readonly issues: readonly {
        readonly message: string;
        readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
      }[];
    };

/** The build's list of workflows, and the input schemas of those that have one. */
export interface Manifest {
  workflows: WorkflowEntry[];
  inputs: Record<string, StandardSchema>;
}
