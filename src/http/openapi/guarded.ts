import type { JsonObject } from "../../types/index.ts";
import { assertWithinLimits, headersLimit, queryLimit } from "../guard/limits.ts";
import { forbidden, otherSite, rateLimited, unauthorized } from "../guard/refusals.ts";
import { type Requirement, requirementOf } from "../guard/scopes.ts";
import { assertReadable } from "../parameters.ts";
import { refer } from "./components.ts";
import { errorExamples, type Problems, sharedErrors, thrownBy, workflowForm } from "./errors.ts";
import type { Operation, Paths } from "./operation.ts";

/** What stands before the API, and where that is. */
export interface GuardFacts {
  /** Whether requests need keys. */
  auth: boolean;
  /** Whether a caller can have sent too much. */
  limited: boolean;
  /** Paths that the API is served below. */
  mounts: readonly string[];
  isWorkflow: (name: string) => Promise<boolean>;
}

/** Operations as they are behind the guard: what each needs, and what it may be refused with. */
export async function guarded(paths: Paths, facts: GuardFacts): Promise<Paths> {
  const entries = Object.entries(paths).map(async ([pathname, item]) => {
    const operations = Object.entries(item).map(async ([method, operation]) => {
      const target = {
        method: method.toUpperCase(),
        pathname,
        searchParams: new URLSearchParams(),
      };
      const needs = await requirementOf(target, facts.mounts, facts.isWorkflow);
      return [method, await guardedOperation(operation, needs, facts)] as const;
    });
    return [pathname, Object.fromEntries(await Promise.all(operations))] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}

/** How requests carry keys, where they need any. */
export const securitySchemes: JsonObject = {
  apiKey: { type: "apiKey", in: "header", name: "x-api-key", description: "A key." },
  bearer: { type: "http", scheme: "bearer", description: "The same keys, in another header." },
  eventToken: {
    type: "apiKey",
    in: "query",
    name: "token",
    description: "What `createEventToken` answered with, for the event stream of one run.",
  },
};

/** What the guard refuses, as responses that all operations share. */
export async function guardComponents({
  auth,
  limited,
}: Pick<GuardFacts, "auth" | "limited">): Promise<JsonObject> {
  const long = `http://localhost/runs?tag=${"x".repeat(queryLimit)}`;
  const large = new Headers({ cookie: "x".repeat(headersLimit) });
  const refused = (url: string, headers = new Headers()): unknown =>
    thrownBy(() => assertWithinLimits({ url, headers }));
  const examples: Record<number, Problems | undefined> = {
    400: wrongAddress,
    401: auth ? { noKey: unauthorized() } : undefined,
    403: { otherSite: otherSite(), ...(auth && { lacksScope: forbidden("run") }) },
    414: { longQuery: refused(long) },
    429: limited ? { tooMany: rateLimited(12) } : undefined,
    431: { largeHeaders: refused("http://localhost/runs", large) },
  };
  const entries = Object.entries(examples).flatMap(([status, problems]) =>
    problems ? [component(Number(status), problems)] : [],
  );
  return Object.fromEntries(await Promise.all(entries));
}

async function component(status: number, problems: Problems): Promise<[string, JsonObject]> {
  return [`WorkflowError${status}`, await errorExamples(workflowForm, status, problems)];
}

const wrongAddress = {
  wrongPath: thrownBy(() => assertReadable({ url: "http://localhost/runs/%zz" })),
};

async function guardedOperation(
  operation: Operation,
  needs: Requirement,
  { auth, limited }: GuardFacts,
): Promise<Operation> {
  const { 400: wrong, ...responses } = operation.responses as Record<number, JsonObject>;
  const closed = needs.kind === "scope";
  const all = {
    ...responses,
    ...(wrong ? { 400: await withWrongAddress(wrong) } : sharedErrors(workflowForm, [400])),
    ...sharedErrors(workflowForm, [414, 431]),
    ...(auth && closed && sharedErrors(workflowForm, [401, 403])),
    ...(limited && closed && sharedErrors(workflowForm, [429])),
  };
  if (!auth) return { ...operation, responses: all };
  const said = typeof operation.description === "string" ? `${operation.description} ` : "";
  const scope = closed ? `Needs a key with the scope \`${needs.scope}\`.` : "Needs no key.";
  return { ...operation, description: said + scope, responses: all, security: securityOf(needs) };
}

function securityOf(needs: Requirement): JsonObject[] {
  if (needs.kind === "open") return [];
  const { scope, eventsOf } = needs;
  const keys = [{ apiKey: [scope] }, { bearer: [scope] }];
  return eventsOf === undefined ? keys : [...keys, { eventToken: [] }];
}

/** A 400 that a path may be refused with too, before its form is known. */
async function withWrongAddress(response: JsonObject): Promise<JsonObject> {
  const content = response.content as Record<string, { schema: JsonObject; examples: object }>;
  const { schema, examples } = content["application/json"]!;
  const added = await errorExamples(workflowForm, 400, wrongAddress);
  const more = (added.content as typeof content)["application/json"]!.examples;
  const own = refer("WorkflowError");
  const isOther = schema.$ref !== own.$ref && !("anyOf" in schema);
  return {
    ...response,
    content: {
      "application/json": {
        schema: isOther ? { anyOf: [schema, own] } : schema,
        examples: { ...examples, ...more },
      },
    },
  };
}
