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
  const annotation = target && "typeAnnotation" in target ? target.typeAnnotation : undefined;
  if (annotation) return listOrOne(annotation.typeAnnotation, name);
  return byName(name);
}

function listOrOne(type: TSType, name: string | undefined): ParameterSummary["accepts"] {
  if (type.type === "TSArrayType" || type.type === "TSTupleType") return "jobs";
  if (type.type === "TSTypeOperator") return listOrOne(type.typeAnnotation, name);
  if (type.type !== "TSTypeReference" || type.typeName.type !== "Identifier") return byName(name);
  if (/^(?:Readonly)?Array$/.test(type.typeName.name)) return "jobs";
  return type.typeName.name.endsWith("Job") ? "job" : byName(name);
}

function byName(name: string | undefined): ParameterSummary["accepts"] {
  if (name === "jobs") return "jobs";
  return name === "job" ? "job" : "unknown";
}
