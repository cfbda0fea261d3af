import { parseSync, Visitor } from "oxc-parser";
import type { Comment, Directive, ExpressionStatement, Program, Statement } from "oxc-parser";
import { collectExports, type FunctionNode, type ModuleExports } from "./exports.ts";
import { positionOf, type Problem } from "./problem.ts";
import { describeParameters, type ParameterSummary } from "./parameters.ts";

/** A directive discovery looks for. */
export type DirectiveName = "use runner" | "use workflow";

/** An exported function that carries the directive. */
export interface DirectedFunction extends ParameterSummary {
  /** Name of the export, `default` included. */
  exportName: string;
  /** Name of the function inside its file, which the engine's id ends with. */
  binding: string;
  line: number;
  description?: string;
  /** False where the directive shares its line with code, which the engine's builder overlooks. */
  ownLine: boolean;
}

/** What one file tells of a directive. */
export interface FileDirectives {
  functions: DirectedFunction[];
  exports: ModuleExports;
  problems: Problem[];
}

/** Reads one file's directives from its AST; a syntax error is a problem like any other. */
export function readDirectives(
  source: string,
  file: string,
  directive: DirectiveName,
): FileDirectives {
  const parsed = parseSync(file, source, { sourceType: "module" });
  if (parsed.errors.length > 0) {
    return {
      functions: [],
      exports: emptyExports(),
      problems: syntaxProblems(parsed.errors, source, file),
    };
  }
  const exports = collectExports(parsed.program);
  const moduleLevel = firstDirective(parsed.program.body, directive);
  const problems = directiveProblems(parsed.program, source, file, directive);
  const functions: DirectedFunction[] = [];
  for (const [exportName, entry] of exports.functions) {
    const own = ownDirective(entry.fn, directive);
    const found = own ?? moduleLevel;
    if (!found) continue;
    if (!own && (!entry.fn.async || entry.fn.generator)) {
      problems.push(notAsync(entry.fn, source, file, directive, exportName));
    }
    const description = docComment(parsed.comments, source, entry.statement.start);
    functions.push({
      exportName,
      binding: entry.binding,
      line: positionOf(source, entry.fn.start).line,
      ...(description !== undefined && { description }),
      ownLine: standsAlone(source, found),
      ...describeParameters(entry.fn, source),
    });
  }
  return { functions, exports, problems };
}

function emptyExports(): ModuleExports {
  return { functions: new Map(), values: new Set(), reexports: [], stars: [] };
}

function syntaxProblems(
  errors: ReturnType<typeof parseSync>["errors"],
  source: string,
  file: string,
): Problem[] {
  return errors.map((error) => ({
    file,
    ...positionOf(source, error.labels[0]?.start ?? 0),
    message: `syntax error: ${error.message}`,
    ...(error.helpMessage && { mend: error.helpMessage }),
  }));
}

/** The directive if a body opens with it; further down the engine refuses it. */
function firstDirective(
  body: readonly (Directive | Statement)[],
  directive: DirectiveName,
): Directive | undefined {
  const first = body[0];
  if (first?.type !== "ExpressionStatement" || !("directive" in first)) return undefined;
  return first.directive === directive ? (first as Directive) : undefined;
}

function ownDirective(fn: FunctionNode, directive: DirectiveName): Directive | undefined {
  return fn.body?.type === "BlockStatement" ? firstDirective(fn.body.body, directive) : undefined;
}

/** Directives where they cannot work, and strings that were probably meant as one. */
function directiveProblems(
  program: Program,
  source: string,
  file: string,
  directive: DirectiveName,
): Problem[] {
  const problems: Problem[] = [];
  const atTop = new Set([firstDirective(program.body, directive)?.start]);
  const visitFunction = (fn: FunctionNode): void => {
    const own = ownDirective(fn, directive);
    if (!own) return;
    atTop.add(own.start);
    if (!fn.async || fn.generator) {
      problems.push(notAsync(fn, source, file, directive, "id" in fn ? fn.id?.name : undefined));
    }
  };
  new Visitor({
    FunctionDeclaration: visitFunction,
    FunctionExpression: visitFunction,
    ArrowFunctionExpression: visitFunction,
    ExpressionStatement: (node) => {
      const problem = nearMiss(node, atTop.has(node.start), directive);
      if (problem) problems.push({ file, ...positionOf(source, node.start), ...problem });
    },
  }).visit(program);
  return problems;
}

function notAsync(
  fn: FunctionNode,
  source: string,
  file: string,
  directive: DirectiveName,
  name?: string,
): Problem {
  const what = fn.generator ? "a generator" : "not async";
  return {
    file,
    ...positionOf(source, fn.start),
    message: `function ${name ? `"${name}" ` : ""}has the directive '${directive}' but is ${what}`,
    mend: `Make it an async function: \`async function ${name ?? "name"}(…)\`.`,
  };
}

/** A statement that is only a string and reads almost like the directive, or is it at the wrong place. */
function nearMiss(
  node: Directive | ExpressionStatement,
  atTop: boolean,
  directive: DirectiveName,
): Pick<Problem, "mend" | "message"> | undefined {
  const text = statementText(node);
  if (text === undefined) return undefined;
  const quoted = node.expression.type === "Literal";
  if (text === directive && quoted) {
    if (atTop) return undefined;
    return {
      message: `'${directive}' is not the first statement of its function or file, so it does nothing`,
      mend: "Make it the first statement, before 'use strict' and everything else.",
    };
  }
  if (text === directive) {
    return {
      message: `\`${directive}\` in backticks is a template literal and no directive`,
      mend: `Write it in quotes: '${directive}'.`,
    };
  }
  const wanted = directive.replaceAll(/\W/g, "");
  const got = text.toLowerCase().replaceAll(/[^a-z]/g, "");
  // Two edits catch a dropped, doubled or swapped letter and still tell 'use step' and 'use client' apart.
  if (text.length > 30 || editDistance(got, wanted) > 2) return undefined;
  return {
    message: `'${text}' looks like '${directive}' but is not`,
    mend: `Write '${directive}', or remove the string.`,
  };
}

function statementText(node: Directive | ExpressionStatement): string | undefined {
  const { expression } = node;
  if (expression.type === "Literal") {
    return typeof expression.value === "string" ? expression.value : undefined;
  }
  if (expression.type === "TemplateLiteral" && expression.expressions.length === 0) {
    return expression.quasis[0]?.value.cooked ?? undefined;
  }
  return undefined;
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(previous[j]! + 1, row[j - 1]! + 1, substitution));
    }
    previous = row;
  }
  return previous[b.length]!;
}

/** Whether a line holds the directive and nothing else, as the engine's builder wants it. */
function standsAlone(source: string, directive: Directive): boolean {
  const start = source.lastIndexOf("\n", directive.start - 1) + 1;
  const end = source.indexOf("\n", directive.start);
  const line = source.slice(start, end === -1 ? source.length : end).trim();
  return /^(['"])use (?:workflow|step|runner)\1;?$/.test(line);
}

/** The text of the doc comment right above a statement. */
function docComment(
  comments: readonly Comment[],
  source: string,
  start: number,
): string | undefined {
  const comment = comments.findLast((c) => c.end <= start);
  if (!comment || comment.type !== "Block" || !comment.value.startsWith("*")) return undefined;
  if (source.slice(comment.end, start).trim() !== "") return undefined;
  const text = comment.value
    .slice(1)
    .split("\n")
    .map((line) => line.trim().replace(/^\*\s?/, ""))
    .join("\n")
    .trim();
  return text === "" ? undefined : text;
}
