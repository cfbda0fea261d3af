import * as fc from "fast-check";
import type { RawRequest } from "./client.ts";
import { damaged } from "./damage.ts";
import { hostile } from "./hostile.ts";
import type { Described, Operation } from "./operations.ts";
import { type Making, valuesOf } from "./schema-values.ts";

/** A request before its bytes are made. */
export interface Draft {
  operation: string;
  kind: "hostile" | "nearly" | "right";
  method: string;
  /** Segments as they are sent. */
  path: string[];
  query: [name: string, value: string][];
  headers: [name: string, value: string][];
  /** JSON; undefined is no body. */
  body: unknown;
  /** Bytes in place of JSON. */
  bytes?: Buffer;
  /** In place of path and query. */
  target?: string;
  framing: RawRequest["framing"];
}

/** They stand for ids of runs that there are when the request is sent. */
const ids = Array.from({ length: 1000 }, (_, number) => `known-${number}-known`);
const knownIds = fc.constantFrom(...ids);

/** Bodies of operations that do more than most of those that are made up, by the operation. */
export type Bodies = Readonly<Record<string, readonly unknown[]>>;

/** Requests that a document describes, that it nearly describes, and others. */
export function requestsOf(
  { operations, deref }: Described,
  words: Making["words"],
  bodies: Bodies = {},
): fc.Arbitrary<Draft> {
  const making = { deref, words: { ...words, id: ids, runId: ids, rerun: ids } };
  const each = operations.map((operation) => {
    const right = rightRequests(operation, making, bodies[operation.means] ?? []);
    return {
      // What starts runs, and what only runs that have not ended take, comes more often.
      weight: /^(?:add|create|submit|stream)/.test(operation.id) ? 3 : 1,
      arbitrary: fc.oneof(
        { weight: 4, arbitrary: right },
        { weight: 4, arbitrary: damaged(right) },
        { weight: 2, arbitrary: hostile(right) },
      ),
    };
  });
  return fc.oneof(...each);
}

function rightRequests(
  { id, path, method, parameters, body }: Operation,
  making: Making,
  bodies: readonly unknown[],
): fc.Arbitrary<Draft> {
  const values = parameters.map((parameter) => {
    const { name, in: place, required } = parameter;
    const value = valueOf(name, valuesOf(parameter.schema, making), parameter.example);
    const given = required ? value : fc.option(value, { nil: undefined, freq: 2 });
    return given.map((value) => ({ name, place, value }));
  });
  const content = body
    ? fc.oneof(
        { weight: 2, arbitrary: clones([...body.examples, ...bodies]) },
        { weight: 3, arbitrary: valuesOf(body.schema, making) },
      )
    : fc.constant(undefined);
  return fc.tuple(fc.tuple(...values), content).map(([given, body]): Draft => {
    const at = (place: string): [string, string][] =>
      given.flatMap(({ name, place: at, value }) =>
        at === place && value !== undefined ? [[name, value] as [string, string]] : [],
      );
    const inPath = new Map(at("path"));
    return {
      operation: id,
      kind: "right",
      method,
      path: path
        .split("/")
        .map((part) =>
          part.replace(/^\{(.+)\}$/, (_, name) => encodeURIComponent(inPath.get(name)!)),
        ),
      query: at("query"),
      headers: at("header"),
      body,
      framing: "length",
    };
  });
}

/** Copies, since one with something wrong is changed. */
function clones(values: readonly unknown[]): fc.Arbitrary<unknown> {
  return fc.constantFrom(...values).map((value) => structuredClone(value));
}

/** A parameter's value: of an id mostly one that there is, of a wait one that this test has the time for. */
function valueOf(name: string, any: fc.Arbitrary<unknown>, example: unknown): fc.Arbitrary<string> {
  const text = any.map(String);
  if (name === "wait") return fc.constantFrom("0", "0.05", "0.2");
  if (name === "id" || name === "runId") {
    // What stands there may be a workflow's name, as its example says.
    const isRun = String(example).startsWith("wrun_");
    const known = isRun ? knownIds : fc.constant(String(example));
    const ids = fc.oneof({ weight: 6, arbitrary: known }, { weight: 1, arbitrary: text });
    return ids.filter((id) => id !== "");
  }
  if (example === undefined) return text;
  return fc.oneof(text, fc.constant(String(example)));
}

/** The bytes of a draft, with ids of runs that there are. */
export function toRaw(draft: Draft, ids: readonly string[]): RawRequest {
  const fill = (text: string): string =>
    text.replace(/known-(\d+)-known/g, (_, number) => known(Number(number), ids) ?? "none");
  const { method, path, query, body, bytes, framing } = draft;
  const said = query.map(([name, value]) => `${encode(name)}=${encode(value)}`).join("&");
  const target = draft.target ?? `${path.join("/") || "/"}${said && `?${said}`}`;
  const json = bytes ?? (body === undefined ? undefined : Buffer.from(fill(JSON.stringify(body))));
  const headers = draft.headers.map(([name, value]): [string, string] => [name, fill(value)]);
  const typed = headers.some(([name]) => name.toLowerCase() === "content-type");
  if (json && !typed) headers.push(["Content-Type", "application/json"]);
  return { method, target: fill(target), headers, framing, ...(json && { body: json }) };
}

/** One of the ids, every other time of the latest, whose runs may still be going on. */
function known(number: number, ids: readonly string[]): string | undefined {
  return ids.at(number % 2 ? number % ids.length : -1 - (number % Math.min(10, ids.length)));
}

/** As a form would encode it, but for what has been encoded already. */
function encode(text: string): string {
  return /^(?:[\w.~-]|%[\dA-Fa-f]{2})*$/.test(text)
    ? text
    : encodeURIComponent(text.replaceAll(/[\uD800-\uDFFF]/gu, "%"));
}
