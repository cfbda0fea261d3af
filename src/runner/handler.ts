import { docsHeaders, docsPage } from "../docs/page.ts";
import { createAnswers, type Answers } from "./answers.ts";
import { closeBrowser } from "./browser.ts";
import type { RunnerInfo } from "./contract.ts";
import { execute } from "./execute.ts";
import { openApiDocument, type OpenApiDocument } from "./openapi.ts";
import { resolveOptions, type RunnerHandlerOptions, type RunnerServerOptions } from "./options.ts";
import { Refusal, toRefusal } from "./refusal.ts";
import {
  fingerprintOf,
  openEnvelope,
  parseExecuteRequest,
  readJson,
  refuseOtherSites,
} from "./request.ts";
import {
  acceptsLines,
  createEventLines,
  type Execution,
  streamLines,
  tellsSomething,
} from "./stream.ts";
import { createWork, type Work } from "./work.ts";
import type { RunnerExecuteRequest } from "../types/index.ts";

/** Options of `RunnerHandler.drain`. */
export interface DrainOptions {
  /**
   * Milliseconds that running executions may take to end by themselves.
   * @default 10000
   */
  timeout?: number;
}

/** A runner server: answers every request with a response, and never rejects. */
export interface RunnerHandler {
  (request: Request): Promise<Response>;
  /** Executions that have not ended. */
  readonly inFlight: number;
  /** Aborts when the drain begins. */
  readonly closing: AbortSignal;
  /**
   * Refuses new executions with a 503, lets running ones end, aborts them when the time is up, and
   * closes this process's shared browser. A second call joins the first.
   */
  drain(options?: DrainOptions): Promise<void>;
}

/** One server's state; nothing of it lives in the module. */
interface RunnerServer extends RunnerServerOptions {
  answers: Answers;
  work: Work;
  document?: OpenApiDocument;
}

interface Route {
  method: "GET" | "POST";
  answer: (request: Request, server: RunnerServer) => Promise<Response> | Response;
}

const routes: Record<string, Route> = {
  "/execute": { method: "POST", answer: executeRoute },
  "/info": { method: "GET", answer: infoRoute },
  "/spec.json": { method: "GET", answer: specRoute },
  "/docs": { method: "GET", answer: docsRoute },
};

/**
 * Serves runners over HTTP at `base`: `POST /execute`, `GET /info`, `GET /spec.json` and `GET /docs`.
 *
 * @throws TypeError that names the option it cannot use.
 */
export function createRunnerHandler(options: RunnerHandlerOptions): RunnerHandler {
  const resolved = resolveOptions(options);
  const server: RunnerServer = {
    ...resolved,
    answers: createAnswers({ now: resolved.now }),
    work: createWork(),
  };
  let drained: Promise<void> | undefined;
  const drain = ({ timeout = 10_000 }: DrainOptions = {}): Promise<void> =>
    (drained ??= server.work.drain(timeout).then(closeBrowser));
  return Object.defineProperties((request: Request) => respond(request, server), {
    inFlight: { get: () => server.work.size },
    closing: { value: server.work.closing },
    drain: { value: drain },
  }) as RunnerHandler;
}

async function respond(request: Request, server: RunnerServer): Promise<Response> {
  const response = await answer(request, server);
  // A connection that is kept brings new work, and keeps the server from closing.
  if (server.work.draining) response.headers.set("connection", "close");
  return request.method === "HEAD" ? new Response(null, response) : response;
}

async function answer(request: Request, server: RunnerServer): Promise<Response> {
  try {
    return await findRoute(request, server.base).answer(request, server);
  } catch (error) {
    return refuse(error, false);
  }
}

/** @throws Refusal `NOT_FOUND` or `METHOD_NOT_ALLOWED`. */
function findRoute(request: Request, base: string): Route {
  const { pathname } = new URL(request.url);
  const path = pathname.startsWith(base) ? pathname.slice(base.length).replace(/\/$/, "") : "";
  const route = routes[path];
  if (!route) throw new Refusal("NOT_FOUND", { data: { path: pathname } });
  const allow = route.method === "GET" ? ["GET", "HEAD"] : ["POST"];
  if (allow.includes(request.method)) return route;
  throw new Refusal("METHOD_NOT_ALLOWED", {
    data: { allow },
    headers: { allow: allow.join(", ") },
  });
}

async function executeRoute(request: Request, server: RunnerServer): Promise<Response> {
  let enveloped = false;
  try {
    refuseOtherSites(request);
    const opened = openEnvelope(await readJson(request, server.bodyLimit));
    enveloped = opened.enveloped;
    const body = parseExecuteRequest(opened.payload);
    const execution = executeOnce(request.headers.get("idempotency-key"), body, server);
    if (acceptsLines(request.headers) && (await tellsSomething(execution))) {
      return inLines(execution, enveloped);
    }
    return json(200, wrap(await execution.answer, enveloped));
  } catch (error) {
    return refuse(error, enveloped);
  }
}

/** The first execution of a repeated key, and one of its own for any other. */
function executeOnce(
  key: string | null,
  body: RunnerExecuteRequest,
  server: RunnerServer,
): Execution {
  const fingerprint = key ? fingerprintOf(body) : "";
  const known = key ? server.answers.find(key, fingerprint) : undefined;
  if (known === "other") throw new Refusal("IDEMPOTENCY_KEY_REUSED");
  if (known) return known;
  if (server.work.draining) {
    throw new Refusal("SERVICE_UNAVAILABLE", { headers: { "retry-after": "1" } });
  }
  // The request's own signal is left out: a client that went away asks again under the same key.
  const { region, timeout, work } = server;
  const events = createEventLines();
  const options = { region, timeout, signal: work.signal, onEvent: events.add };
  const answer = execute(server.catalog, body, options).then((reply) => JSON.stringify(reply));
  const execution = { events, answer };
  work.add(answer);
  if (key) server.answers.keep(key, fingerprint, execution);
  return execution;
}

/** What an execution tells, and last what it answers, or what it failed with. */
function inLines({ events, answer }: Execution, enveloped: boolean): Response {
  const end = answer.then(
    (text) => `{"reply":${wrap(text, enveloped)}}`,
    (error: unknown) => {
      const { body } = toRefusal(error);
      return `{"error":${wrap(JSON.stringify(body), enveloped)},"status":${body.status}}`;
    },
  );
  return new Response(streamLines(events, end), {
    // Proxies that collect what they pass on are asked not to.
    headers: { "content-type": "application/x-ndjson", "x-accel-buffering": "no" },
  });
}

function infoRoute(_request: Request, server: RunnerServer): Response {
  return json(200, JSON.stringify(describe(server)));
}

function specRoute(_request: Request, server: RunnerServer): Response {
  server.document ??= openApiDocument(server.catalog, describe(server), server.base);
  return json(200, JSON.stringify(server.document));
}

function docsRoute(_request: Request, { region }: RunnerServer): Response {
  const nonce = crypto.randomUUID();
  const html = docsPage({
    nonce,
    title: "Runners HTTP API",
    // Its document's paths begin at the base.
    mount: "",
    featured: "executeRunners",
    ...(region !== undefined && { facts: { Region: region } }),
  });
  return new Response(html, { headers: docsHeaders(nonce) });
}

function describe({ catalog, region, base }: RunnerServer): RunnerInfo {
  const runners = [...catalog.keys()];
  return {
    runners,
    count: runners.length,
    ...(region !== undefined && { region }),
    usage: {
      method: "POST",
      endpoint: `${base}/execute`,
      example: { url: "https://example.com", runners: runners.slice(0, 2) },
    },
  };
}

function refuse(error: unknown, enveloped: boolean): Response {
  const { body, headers } = toRefusal(error);
  return json(body.status, wrap(JSON.stringify(body), enveloped), headers);
}

/** JSON in the envelope that its request came in. */
function wrap(text: string, enveloped: boolean): string {
  return enveloped ? `{"json":${text}}` : text;
}

function json(status: number, text: string, headers: Record<string, string> = {}): Response {
  return new Response(text, {
    status,
    headers: { "content-type": "application/json", ...headers },
  });
}
