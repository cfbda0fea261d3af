import type { TSType } from "oxc-parser";
import type { WorkflowEntry } from "../types/manifest.ts";
import type { FunctionNode } from "./exports.ts";

/** A function's parameters as far as a caller over HTTP must know them. */
export type ParameterSummary = Pick<WorkflowEntry, "accepts" | "parameters">;

/** Names the parameters, and tells whether the first one takes a list of jobs or one job. */
export function describeParameters(fn: FunctionNode, source: string): ParameterSummary {
  const parameters = fn.params.map((parameter) => {
    const target = parameter.type === "AssignmentPattern" ? parameter.left : parameter;
    if (target.type === "Identifier") return target.name;
    if (target.type === "RestElement") return source.slice(target.start, target.end).split(":")[0]!;
    return target.type === "ArrayPattern" ? "[…]" : "{…}";
  });
  return { parameters, accepts: acceptsOf(fn, parameters[0]) };
}

function acceptsOf(fn: FunctionNode, name: string | undefined): ParameterSummary["accepts"] {
  const first = fn.params[0];
  const target = first?.type === "AssignmentPattern" ? first.left : first;
  if (!target || target.type === "RestElement") return "unknown";
  const annotation = "typeAnnotation" in target ? target.typeAnnotation : undefined;
  return (annotation && byType(annotation.typeAnnotation)) ?? byName(name);
}

/** `Job[]`, `Array<RunnerJob>` and the like take jobs, `Job` takes one; other types say nothing. */
function byType(type: TSType): ParameterSummary["accepts"] | undefined {
  if (type.type === "TSTypeOperator") return byType(type.typeAnnotation);
  if (type.type === "TSArrayType") return byType(type.elementType) === "job" ? "jobs" : undefined;
  if (type.type !== "TSTypeReference" || type.typeName.type !== "Identifier") return undefined;
  const { name } = type.typeName;
  const element = type.typeArguments?.params[0];
  if (/^(?:Readonly)?Array$/.test(name)) {
    return element && byType(element) === "job" ? "jobs" : undefined;
  }
  return name.endsWith("Job") ? "job" : undefined;
}

function byName(name: string | undefined): ParameterSummary["accepts"] {
  if (name === "jobs") return "jobs";
  return name === "job" ? "job" : "unknown";
}
