import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import type { RawAnswer } from "./client.ts";
import type { Schema } from "./schema-values.ts";

/** An operation of a document. */
export interface Operation {
  path: string;
  /** In capitals. */
  method: string;
  id: string;
  /** The id of the operation that it is another path of, else its own. */
  means: string;
  parameters: Schema[];
  /** Schema and examples of its JSON body, where it has one. */
  body?: { schema: Schema; examples: unknown[] };
  responses: Record<string, Schema>;
}

/** A document by which requests are made, and answers judged. */
export interface Described {
  operations: Operation[];
  deref(value: Schema): Schema;
  /** The operation that a request asks for, or the methods of its path; undefined for other paths. */
  find(method: string, target: string): Operation | string[] | undefined;
  /** What is wrong with an operation's answer; undefined where nothing is. */
  judge(operation: Operation, answer: Extract<RawAnswer, { kind: "answer" }>): string | undefined;
}

/** Reads a document. */
export function describe(document: Schema): Described {
  const deref = (value: Schema): Schema => {
    if (typeof value?.$ref !== "string") return value;
    const parts = decodeURIComponent(value.$ref.slice(2)).split("/");
    return deref(parts.reduce((at: any, part) => at[part.replaceAll("~1", "/")], document));
  };
  const operations = Object.entries<Schema>(document.paths).flatMap(([path, item]) =>
    Object.entries<Schema>(item).map(([method, operation]): Operation => {
      const content = operation.requestBody?.content["application/json"];
      return {
        path,
        method: method.toUpperCase(),
        id: operation.operationId,
        means: operation["x-alias-of"] ?? operation.operationId,
        parameters: (operation.parameters ?? []).map(deref),
        ...(content && {
          body: {
            schema: content.schema,
            examples: Object.values<any>(content.examples ?? {}).map(({ value }) => value),
          },
        }),
        responses: Object.fromEntries(
          Object.entries<Schema>(operation.responses).map(([status, given]) => [
            status,
            deref(given),
          ]),
        ),
      };
    }),
  );
  // What stands there literally goes before what an id may be, the further left the more.
  const paths = [...new Set(operations.map(({ path }) => path))].toSorted((a, b) =>
    literal(a) < literal(b) ? -1 : 1,
  );
  const validators = new Map<Schema, ValidateFunction>();
  const ajv = new Ajv2020({ strict: false });
  addFormats.default(ajv);
  ajv.addSchema({ $id: "spec", components: document.components });

  function validatorOf(schema: Schema): ValidateFunction {
    let validate = validators.get(schema);
    if (!validate) {
      validate = ajv.compile(JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"spec#/')));
      validators.set(schema, validate);
    }
    return validate;
  }

  return {
    operations,
    deref,
    find(method, target) {
      const [path = ""] = target.split(/[?#]/);
      const template = paths.find((candidate) => matches(candidate, path));
      if (template === undefined) return undefined;
      const item = operations.filter((operation) => operation.path === template);
      const asked = method === "HEAD" ? "GET" : method;
      return (
        item.find((operation) => operation.method === asked) ?? item.map(({ method }) => method)
      );
    },
    judge({ id, responses }, { status, headers, body }) {
      const response = responses[status];
      if (!response) return `${id} has no answer ${status}`;
      const type = headers.get("content-type")?.split(";")[0] ?? "";
      const content: Schema | undefined = response.content?.[type];
      if (body.length === 0) return undefined;
      if (!content) return `${id} ${status} is not described as ${type}`;
      if (type !== "application/json") return undefined;
      const validate = validatorOf(content.schema);
      if (validate(JSON.parse(body.toString()))) return undefined;
      return `${id} ${status}: ${ajv.errorsText(validate.errors)}`;
    },
  };
}

/** Whether a path is one of a template's, as it is written and not only when it has been mended. */
function matches(template: string, path: string): boolean {
  const wanted = template.split("/");
  const given = path.split("/");
  return (
    wanted.length === given.length &&
    wanted.every((part, at) => {
      if (!part.startsWith("{")) return part === given[at];
      return /^(?:[\w!$&'()*+,;=:@.~-]|%[\dA-Fa-f]{2})+$/.test(given[at]!) && !isDots(given[at]!);
    })
  );
}

/** Whether a segment leads elsewhere: `.` or `..`, also encoded. */
function isDots(segment: string): boolean {
  return /^(?:\.|%2e){1,2}$/i.test(segment);
}

/** A path in whose place in order its parameters come last. */
function literal(path: string): string {
  return path.replaceAll("{", "\uFFFF");
}
