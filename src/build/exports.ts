import type {
  ArrowFunctionExpression,
  ExportNamedDeclaration,
  Expression,
  Function as OxcFunction,
  ModuleExportName,
  Program,
  Statement,
} from "oxc-parser";

/** Any function-like node. */
export type FunctionNode = ArrowFunctionExpression | OxcFunction;

/** An exported function and where it stands. */
export interface ExportedFunction {
  fn: FunctionNode;
  /** Local name, or `default` for an anonymous default export. */
  binding: string;
  /** The statement a doc comment stands above. */
  statement: Statement;
}

/** What a module exports, as far as discovery cares. */
export interface ModuleExports {
  functions: Map<string, ExportedFunction>;
  /** Names of exports that are not functions, and of re-exported ones. */
  values: Set<string>;
  /** `export { imported as exported } from "source"`, also through an import of the same file. */
  reexports: { imported: string; exported: string; source: string }[];
  /** `export * from "source"`. */
  stars: string[];
}

interface Bindings {
  functions: Map<string, { fn: FunctionNode; statement: Statement }>;
  imports: Map<string, { imported: string; source: string }>;
}

/** Lists a module's exports from its AST. */
export function collectExports(program: Program): ModuleExports {
  const bindings = collectBindings(program);
  const exports: ModuleExports = {
    functions: new Map(),
    values: new Set(),
    reexports: [],
    stars: [],
  };
  for (const statement of program.body) {
    if (statement.type === "ExportNamedDeclaration" && statement.exportKind !== "type") {
      addNamed(exports, statement, bindings);
    } else if (statement.type === "ExportDefaultDeclaration") {
      const fn = functionOf(statement.declaration as Expression);
      const id = fn && "id" in fn ? fn.id?.name : undefined;
      if (fn) exports.functions.set("default", { fn, binding: id ?? "default", statement });
      else if (statement.declaration.type === "Identifier") {
        addLocal(exports, statement.declaration.name, "default", bindings);
      }
    } else if (
      statement.type === "ExportAllDeclaration" &&
      statement.exportKind !== "type" &&
      !statement.exported
    ) {
      exports.stars.push(statement.source.value);
    }
  }
  return exports;
}

function collectBindings(program: Program): Bindings {
  const bindings: Bindings = { functions: new Map(), imports: new Map() };
  for (const statement of program.body) {
    if (statement.type === "ImportDeclaration") {
      for (const specifier of statement.specifiers) {
        if (specifier.type === "ImportNamespaceSpecifier") continue;
        const imported =
          specifier.type === "ImportSpecifier" ? nameOf(specifier.imported) : "default";
        bindings.imports.set(specifier.local.name, { imported, source: statement.source.value });
      }
      continue;
    }
    const declaration =
      statement.type === "ExportNamedDeclaration"
        ? (statement.declaration ?? undefined)
        : statement;
    for (const [name, fn] of functionsIn(declaration))
      bindings.functions.set(name, { fn, statement });
  }
  return bindings;
}

/** The functions a declaration binds to names. */
function functionsIn(node: { type: string } | undefined): [string, FunctionNode][] {
  const declaration = node as Statement | undefined;
  if (declaration?.type === "FunctionDeclaration" && declaration.id) {
    return [[declaration.id.name, declaration]];
  }
  if (declaration?.type !== "VariableDeclaration") return [];
  return declaration.declarations.flatMap(({ id, init }) => {
    const fn = init ? functionOf(init) : undefined;
    return fn && id.type === "Identifier" ? [[id.name, fn] as [string, FunctionNode]] : [];
  });
}

function addNamed(
  exports: ModuleExports,
  statement: ExportNamedDeclaration,
  bindings: Bindings,
): void {
  const { declaration, source } = statement;
  for (const [name] of functionsIn(declaration ?? undefined))
    addLocal(exports, name, name, bindings);
  if (declaration?.type === "VariableDeclaration") {
    for (const { id } of declaration.declarations) {
      if (id.type === "Identifier" && !exports.functions.has(id.name)) exports.values.add(id.name);
    }
  }
  for (const specifier of statement.specifiers) {
    if (specifier.exportKind === "type") continue;
    const [local, exported] = [nameOf(specifier.local), nameOf(specifier.exported)];
    if (source) exports.reexports.push({ imported: local, exported, source: source.value });
    else addLocal(exports, local, exported, bindings);
  }
}

function addLocal(
  exports: ModuleExports,
  local: string,
  exported: string,
  bindings: Bindings,
): void {
  const fn = bindings.functions.get(local);
  const imported = bindings.imports.get(local);
  if (fn) exports.functions.set(exported, { ...fn, binding: local });
  else if (imported) exports.reexports.push({ ...imported, exported });
  else exports.values.add(exported);
}

/** The function an expression is, behind parentheses, `as` and `satisfies`. */
function functionOf(node: Expression): FunctionNode | undefined {
  switch (node.type) {
    case "ArrowFunctionExpression":
    case "FunctionExpression":
      return node;
    case "ParenthesizedExpression":
    case "TSAsExpression":
    case "TSSatisfiesExpression":
      return functionOf(node.expression);
    default:
      return (node as { type: string }).type === "FunctionDeclaration"
        ? (node as unknown as FunctionNode)
        : undefined;
  }
}

function nameOf(name: ModuleExportName): string {
  return name.type === "Literal" ? name.value : name.name;
}
