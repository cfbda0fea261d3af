import { H3Event } from "h3";
import { errorResponse, HttpProblem } from "../errors.ts";
import { assertReadable } from "../parameters.ts";
import { docsAnswer } from "../routes/docs.ts";
import type { ApiKey } from "../../types/handler.ts";
import { addressOf } from "./address.ts";
import { type Cors, createCors } from "./cors.ts";
import { createKeyRing, credentialOf } from "./keys.ts";
import { assertWithinLimits } from "./limits.ts";
import { createRateLimits, type RateLimitOptions } from "./rate-limit.ts";
import { isDocsPage, type Requirement, requirementOf, type Target } from "./scopes.ts";
import { forbidden, otherSite, unauthorized } from "./refusals.ts";
import { createEventTokens, type EventTokens } from "./tokens.ts";

/** What a guard is made of. */
export interface GuardOptions {
  /** The keys that requests must carry; without any, requests need none. */
  keys?: readonly ApiKey[];
  /** Origins of pages that may use the API; without it all may. */
  origins?: readonly string[];
  /** Limits what callers send; with `guesses` only what carries a wrong key. */
  rateLimit?: RateLimitOptions & { trustProxy: number; of: "guesses" | "requests" };
}

/** The API that a guard stands before. */
export interface GuardedApi {
  /** Where it is mounted, such as `/api/orchestrator`. */
  route: string;
  /** The path below which the run service stands too. */
  service: string | false;
  /** Whether a name is that of a discovered workflow. */
  isWorkflow: (name: string) => Promise<boolean>;
  /** Answers what is let through; never rejects. */
  answer: (request: Request) => Promise<Response>;
}

/** Stands before the API: who may ask for what, how often, from where. */
export interface Guard {
  /** Whether requests need keys. */
  readonly auth: boolean;
  /** Whether a caller can have sent too much. */
  readonly limited: boolean;
  /** For event streams, which are asked for without headers. */
  tokens: EventTokens;
  /** Answers a request, itself or through the API; never rejects. */
  answer(request: Request, api: GuardedApi): Promise<Response>;
}

/** A guard; without options one that knows no keys and no limit of rate. */
export function createGuard({ keys, origins, rateLimit }: GuardOptions = {}): Guard {
  const cors = createCors(origins);
  const ring = keys && createKeyRing(keys);
  const tokens = createEventTokens(ring);
  const limits = rateLimit && createRateLimits(rateLimit);

  /** Answers with the name of the key that lets the request in; undefined where none is needed. */
  async function admit(
    request: Request,
    target: Target,
    needs: Extract<Requirement, { kind: "scope" }>,
    said: Headers,
  ): Promise<string | undefined> {
    const address = addressOf(request, rateLimit?.trustProxy ?? 0);
    const count = async (caller: string): Promise<void> => {
      if (rateLimit?.of === "requests") await limits!.count(caller, said);
    };
    if (!ring) {
      await count(`address:${address}`);
      return undefined;
    }
    const credential = credentialOf(request.headers);
    const guesser = `guesses:${address}`;
    if (credential === undefined) {
      await count(`address:${address}`);
      const token = target.searchParams.get("token");
      if (token !== null && needs.eventsOf !== undefined) {
        if (tokens.verify(token, needs.eventsOf)) return undefined;
      }
      throw unauthorized();
    }
    // Before the key is looked at: who has guessed too often learns nothing more.
    await limits?.assertLeft(guesser, said);
    const key = ring.find(credential);
    if (!key) {
      await limits?.count(guesser, said);
      throw unauthorized();
    }
    const isEntitled = key.scopes.includes(needs.scope) || key.scopes.includes("admin");
    if (!needs.uncounted || !isEntitled) await count(`key:${key.name}`);
    if (!isEntitled) throw forbidden(needs.scope);
    return key.name;
  }

  async function decide(request: Request, api: GuardedApi, said: Headers): Promise<Response> {
    assertReadable(request);
    assertWithinLimits(request);
    if (request.method === "OPTIONS") return cors.preflight();
    // As the router will see it, which mends some paths.
    const { pathname, searchParams } = new H3Event(request).url;
    const target = { method: request.method, pathname, searchParams };
    const { route, service, isWorkflow } = api;
    const mounts = service === false ? [route] : [route, service];
    const needs = await requirementOf(target, mounts, isWorkflow);
    if (needs.kind === "open") return api.answer(request);
    try {
      const key = await admit(request, target, needs, said);
      if (key === undefined) assertSameSite(request, cors);
    } catch (error) {
      const isPage =
        error instanceof HttpProblem &&
        error.status === 401 &&
        credentialOf(request.headers) === undefined &&
        isDocsPage(target, request.headers, route);
      if (!isPage) throw error;
      return docsAnswer(route, { status: 401, headers: error.headers });
    }
    return api.answer(request);
  }

  return {
    auth: ring !== undefined,
    limited: limits !== undefined,
    tokens,
    async answer(request, api) {
      const said = new Headers();
      const answer = await decide(request, api, said).catch(errorResponse);
      const response = request.method === "HEAD" ? withoutBody(answer) : answer;
      for (const [name, value] of said) response.headers.set(name, value);
      cors.apply(response.headers, request);
      return response;
    },
  };
}

/** The answer as it is to `HEAD`. */
function withoutBody(answer: Response): Response {
  if (answer.body === null) return answer;
  void answer.body.cancel().catch(() => undefined);
  return new Response(null, answer);
}

/** A browser says where a request comes from: a page of somebody else's must not start or end runs. */
function assertSameSite({ method, headers }: Request, cors: Cors): void {
  if (method !== "POST" && method !== "DELETE") return;
  if (headers.get("sec-fetch-site") !== "cross-site") return;
  if (cors.lists(headers.get("origin") ?? "")) return;
  throw otherSite();
}
