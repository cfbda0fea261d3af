import { useContext } from "#orchestrator/virtual/app";
import { OrchestratorError } from "../core/errors.ts";
import { requestId, withRequestId } from "../http/observe.ts";
import type {
  HandlerInput,
  OrchestratorHandler,
  OrchestratorHandlerOptions,
} from "../types/handler.ts";
import type { Readiness } from "../types/service.ts";
import type { AppContext } from "./context.ts";
import type { OrchestratorContext } from "./compose.ts";
import { createEarlyApi } from "./early.ts";
import { resolveHandlerOptions, routeOf } from "./handler-options.ts";
import { joinServer } from "./process-server.ts";

/**
 * The HTTP API for any framework that has requests and responses of the web's. In a Nitro app built with
 * our module it serves that app; anywhere else it brings the engine along and starts at once, with the
 * one workflow `run`. Where it cannot start, it says so on stderr, answers 503, and tries again.
 *
 * @throws OrchestratorError `CONFIG_INVALID` for an option
 */
export function createOrchestratorHandler(
  options: OrchestratorHandlerOptions = {},
): OrchestratorHandler {
  return useContext ? handlerOfApp(useContext, options) : handlerOfProcess(options);
}

function handlerOfApp(
  useContext: () => AppContext,
  options: OrchestratorHandlerOptions,
): OrchestratorHandler {
  const { route, ...others } = options;
  const [other] = Object.keys(others);
  if (other !== undefined) {
    // A key in nitro.config.ts would end up in the build.
    const place =
      other === "apiKeys" ? "ORCHESTRATOR_API_KEYS" : "it under `orchestrator` in nitro.config.ts";
    throw new OrchestratorError(
      "CONFIG_INVALID",
      `orchestrator.${other} was given to createOrchestratorHandler in a Nitro app: set ${place}`,
    );
  }
  const api = apiAt(route);
  const handler = (input: HandlerInput): Promise<Response> => api(useContext())(requestOf(input));
  return withLife(
    handler,
    () => useContext().ready,
    async () => undefined,
  );
}

function handlerOfProcess(options: OrchestratorHandlerOptions): OrchestratorHandler {
  const settings = resolveHandlerOptions(options);
  const server = joinServer(settings);
  const { route, service } = settings.options;
  const api = apiAt(route);
  let closed = false;
  const readiness = (): Readiness =>
    closed ? { ready: false, reason: "The orchestrator has been closed" } : server.readiness();
  const early = createEarlyApi({ route, service, readiness });
  const handler = async (input: HandlerInput): Promise<Response> => {
    const request = requestOf(input);
    // Operators are told at once, whatever there is.
    const current = closed ? undefined : server.current();
    const told = current ? undefined : early(request);
    if (told) return told;
    if (closed) return unavailable(request, "The orchestrator has been closed");
    const context = current ?? (await server.context());
    if (!context) return unavailable(request, "The orchestrator cannot start; its log says why");
    return api(context)(request);
  };
  return withLife(
    handler,
    () => server.ready,
    () => {
      closed = true;
      return server.release();
    },
  );
}

type Api = OrchestratorContext["handler"];

/** The API of a context below a route; of the same one again and again, it is made once. */
function apiAt(
  given: string | undefined,
): (context: Pick<OrchestratorContext, "handler" | "handlerAt">) => Api {
  const route = given === undefined ? undefined : routeOf(given);
  const made = new WeakMap<object, Api>();
  return (context) => {
    const api =
      made.get(context) ?? (route === undefined ? context.handler : context.handlerAt(route));
    made.set(context, api);
    return api;
  };
}

function withLife(
  handler: (input: HandlerInput) => Promise<Response>,
  ready: () => Promise<void>,
  close: () => Promise<void>,
): OrchestratorHandler {
  return Object.defineProperties(handler, {
    ready: { get: ready },
    close: { value: close },
  }) as OrchestratorHandler;
}

/** The request itself, also out of an event or a context that carries it, and with its sender's address. */
function requestOf(input: HandlerInput): Request {
  if ("req" in input) return input.req;
  if (!("request" in input)) return input;
  const { request, ip } = input;
  // Where servers on srvx have it, and so where we look for it.
  if (typeof ip === "string")
    Object.defineProperty(request, "ip", { value: ip, configurable: true });
  return request;
}

function unavailable({ headers }: Request, error: string): Response {
  const response = Response.json({ error }, { status: 503, headers: { "retry-after": "5" } });
  return withRequestId(response, requestId(headers));
}
