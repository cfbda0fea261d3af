import * as fc from "fast-check";
import { oddIds, oddKeys, oddTexts, oddValues } from "./oddities.ts";
import type { Draft } from "./requests.ts";

/** What makes another request of one. */
export type Change = (draft: Draft) => Draft;

/** Requests with one thing wrong. */
export function damaged(right: fc.Arbitrary<Draft>): fc.Arbitrary<Draft> {
  return fc.tuple(right, fc.oneof(...changes)).map(([draft, change]) => ({
    ...change(draft),
    kind: "nearly" as const,
  }));
}

/** A place among all the values in a body, which any number stands for. */
interface Place {
  holder: any;
  key: number | string;
}

function placesIn(holder: unknown): Place[] {
  if (typeof holder !== "object" || holder === null) return [];
  return Object.keys(holder).flatMap((key) => [
    { holder, key },
    ...placesIn((holder as Record<string, unknown>)[key]),
  ]);
}

/** The draft with a change at some place in its body. */
function inBody(at: number, change: (place: Place) => void): Change {
  return (draft) => {
    const whole = { body: structuredClone(draft.body ?? {}) };
    const places = placesIn(whole);
    change(places[at % places.length]!);
    return { ...draft, body: whole.body };
  };
}

function put(holder: object, key: number | string, value: unknown): void {
  Object.defineProperty(holder, key, {
    value,
    enumerable: true,
    configurable: true,
    writable: true,
  });
}

const at = fc.nat(10_000);

const changes: fc.Arbitrary<Change>[] = [
  at.map((at) =>
    inBody(at, ({ holder, key }) => {
      if (Array.isArray(holder)) holder.splice(Number(key), 1);
      else delete holder[key];
    }),
  ),
  fc
    .tuple(at, oddValues)
    .map(([at, value]) => inBody(at, ({ holder, key }) => put(holder, key, value))),
  fc.tuple(at, oddKeys, oddValues).map(([at, name, value]) =>
    inBody(at, ({ holder, key }) => {
      const inner: unknown = holder[key];
      if (Array.isArray(inner)) inner.push(value);
      else if (typeof inner === "object" && inner !== null) put(inner, name, value);
      else put(holder, key, { [name]: inner });
    }),
  ),
  fc
    .constantFrom(
      "PUT",
      "PATCH",
      "DELETE",
      "POST",
      "GET",
      "HEAD",
      "OPTIONS",
      "TRACE",
      "PURGE",
      "PROPFIND",
      "get",
      "FOO",
      "CONNECT",
    )
    .map((method): Change => (draft) => ({ ...draft, method })),
  fc.tuple(at, oddIds).map(([at, id]): Change => (draft) => {
    const path = [...draft.path];
    path[path.length - 1 - (at % Math.min(2, path.length))] = id;
    return { ...draft, path };
  }),
  fc.tuple(at, oddTexts).map(([at, text]): Change => (draft) => {
    const query = draft.query.length > 0 ? [...draft.query] : [["limit", ""] as [string, string]];
    const [name] = query[at % query.length]!;
    // One of these may have to be waited for.
    query[at % query.length] = [name, name === "wait" && text === "0" ? "-0" : text];
    return { ...draft, query };
  }),
  fc.tuple(at, oddTexts).map(([at, text]): Change => (draft) => {
    const { query } = draft;
    const [name, value] = query[at % query.length] ?? ["mode", "plan"];
    return { ...draft, query: [...query, [name, at % 2 ? value : text]] };
  }),
  fc.tuple(oddTexts, oddTexts).map(([name, value]): Change => (draft) => ({
    ...draft,
    query: [...draft.query, [name, value]],
  })),
  fc
    .constantFrom(
      "text/plain",
      "application/x-www-form-urlencoded",
      "multipart/form-data",
      "application/json; charset=utf-16",
      "json",
      "application/jsonp",
      ",",
      "application/json, text/plain",
    )
    .map((type): Change => (draft) => ({
      ...draft,
      headers: [...draft.headers, ["Content-Type", type]],
    })),
  fc
    .tuple(
      fc.constantFrom(
        "Idempotency-Key",
        "X-Actor-Id",
        "Last-Event-ID",
        "X-Request-Id",
        "traceparent",
        "Authorization",
        "x-api-key",
        "Origin",
        "Accept",
        "Cookie",
      ),
      oddTexts,
    )
    .map(([name, value]): Change => (draft) => ({
      ...draft,
      headers: [
        ...draft.headers,
        [name, Buffer.from(value.replaceAll("\u0000", "")).toString("latin1")],
      ],
    })),
];
