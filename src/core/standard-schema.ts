import type { StandardSchema, StandardSchemaResult, ValidationIssue } from "../types/manifest.ts";

/** What validation makes of an input. */
export type Validated = { issues: ValidationIssue[] } | { issues?: undefined; value: unknown };

/** True for a Standard Schema; one may be callable, as arktype's are. */
export function isStandardSchema(value: unknown): value is StandardSchema {
  if ((typeof value !== "object" && typeof value !== "function") || value === null) return false;
  const standard = (value as Partial<StandardSchema>)["~standard"];
  return typeof standard === "object" && typeof standard?.validate === "function";
}

/** Validates an input with any Standard Schema. */
export async function validateInput(schema: StandardSchema, input: unknown): Promise<Validated> {
  const result = await schema["~standard"].validate(input);
  return result.issues ? { issues: result.issues.map(toIssue) } : { value: result.value };
}

type Issue = Extract<
  StandardSchemaResult<unknown>,
  { issues: readonly unknown[] }
>["issues"][number];

function toIssue(issue: Issue): ValidationIssue {
  return {
    path: (issue.path ?? []).map((part) => toSegment(typeof part === "object" ? part.key : part)),
    message: issue.message,
    code: vendorCode(issue),
  };
}

function toSegment(key: PropertyKey): number | string {
  return typeof key === "symbol" ? key.toString() : key;
}

/** The vendor's own word for the issue: zod calls it `code`, valibot `type`; the standard has none. */
function vendorCode(issue: object): string {
  const { code, type } = issue as { code?: unknown; type?: unknown };
  return [code, type].find((word) => typeof word === "string") ?? "custom";
}
