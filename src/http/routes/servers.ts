import type { H3, H3Event } from "h3";
import type { ZodType } from "zod";
import { isOrchestratorError } from "../../core/errors.ts";
import type { Manifest } from "../../types/manifest.ts";
import type { ServerMembers, ServerStatus } from "../../types/server.ts";
import { errorResponse, HttpProblem } from "../errors.ts";
import type { Guard } from "../guard/guard.ts";
import { isFromHere } from "../guard/local.ts";
import { readJsonObject } from "../json.ts";
import { isGet } from "../parameters.ts";
import { refusalOf, wordingOf } from "../run-request.ts";
import { heartbeatSchema, type JoinedServer, joiningServerSchema } from "../server-schemas.ts";
import { otherMethod } from "./runs.ts";

/** What the routes of runner servers are served from. */
export interface ServerRouteOptions {
  /** Where the API is mounted. */
  route: string;
  guard: Pick<Guard, "auth">;
  /** The servers; undefined before the orchestrator has started. */
  servers: () => ServerMembers | undefined;
  /** Workflows, whose names come before words of ours. */
  manifest: () => Promise<Pick<Manifest, "workflows">>;
}

type Answer = (event: H3Event, servers: ServerMembers) => Promise<Response> | Response;

/** `/servers`: those there are, and those that join, tell that they live, and leave. */
export function addServerRoutes(app: H3, options: ServerRouteOptions): void {
  const { route, manifest } = options;
  const add = (path: string, answers: Record<string, Answer>): void => {
    app.use(`${route}/servers${path}`, async (event: H3Event, next) => {
      const { workflows } = await manifest().catch(() => ({ workflows: [] }));
      if (workflows.some(({ name }) => name === "servers")) return next();
      try {
        const { method } = event.req;
        const answer = answers[isGet(method) ? "GET" : method];
        if (!answer) throw otherMethod(Object.keys(answers));
        if (!isGet(method)) assertMayChange(event.req, options);
        return await reaching(() => answer(event, started(options)));
      } catch (error) {
        return errorResponse(error);
      }
    });
  };
  add("", {
    GET: async (_event, servers) => uncached({ servers: await servers.list() }),
    POST: ({ req }, servers) => join(req, servers),
  });
  add("/:id", {
    GET: async (event, servers) => {
      const id = idOf(event);
      return uncached({ server: (await servers.find(id)) ?? fail(unknownServer(id)) });
    },
    async DELETE(event, servers) {
      const id = idOf(event);
      const outcome = await servers.leave(id);
      if (outcome === "unknown") throw unknownServer(id);
      if (outcome === "configured") throw staysThere(id);
      return uncached({ ok: true });
    },
  });
  add("/:id/heartbeat", {
    async POST(event, servers) {
      const id = idOf(event);
      const state = parse(heartbeatSchema, await readJsonObject(event.req));
      const server = (await servers.heartbeat(id, state)) ?? fail(unknownServer(id));
      return uncached(joined(server, servers));
    },
  });
}

async function join(request: Request, servers: ServerMembers): Promise<Response> {
  const wanted = parse(joiningServerSchema, await readJsonObject(request));
  const { kind, server } = await servers.join(wanted);
  if (kind === "taken") throw idTaken(server);
  return uncached(joined(server, servers), kind === "joined" ? 201 : 200);
}

function joined(server: ServerStatus, { terms }: ServerMembers): JoinedServer {
  return { server, heartbeat: terms };
}

/** Whoever joins is sent jobs, with all that is in them: without keys that is for programs of this machine. */
function assertMayChange(request: Request, { guard, servers }: ServerRouteOptions): void {
  if (guard.auth || servers()?.open || isFromHere(request)) return;
  throw notFromHere();
}

function started({ servers }: ServerRouteOptions): ServerMembers {
  return servers() ?? fail(new HttpProblem(503, "The orchestrator is starting"));
}

/** A registry that is out of reach is to be asked again. */
async function reaching(answer: () => Promise<Response> | Response): Promise<Response> {
  try {
    return await answer();
  } catch (error) {
    throw isOrchestratorError(error) && error.retryable ? registryAway() : error;
  }
}

/** The 403 of a change where no keys are set. */
export function notFromHere(): HttpProblem {
  return new HttpProblem(
    403,
    "Without API keys, servers join and leave from the same machine alone: set ORCHESTRATOR_API_KEY, or `registry.open`",
  );
}

/** The 404 of a server that is not there. */
export function unknownServer(id: string): HttpProblem {
  return new HttpProblem(
    404,
    `There is no server "${id.slice(0, 100)}": it has left or never joined`,
  );
}

/** The 409 of a server that joins under the id of another. */
export function idTaken({
  id,
  url,
  region,
}: Pick<ServerStatus, "id" | "region" | "url">): HttpProblem {
  const issue = { path: ["id"], message: "is that of a configured server" };
  return new HttpProblem(409, `id "${id}" is that of a configured server (${url}, ${region})`, {
    issues: [issue],
  });
}

/** The 409 of a configured server that is to leave. */
export function staysThere(id: string): HttpProblem {
  return new HttpProblem(409, `Server "${id}" is configured, and stays as long as it is`);
}

/** The 503 of a registry that cannot be changed now. */
export function registryAway(): HttpProblem {
  return new HttpProblem(
    503,
    "The registry is out of reach: try again",
    {},
    { "retry-after": "5" },
  );
}

/**
 * A body as a schema has it.
 *
 * @throws HttpProblem 400, whose message names the field
 */
export function parse<T>(schema: ZodType<T>, body: Record<string, unknown>): T {
  const parsed = schema.safeParse(body, { error: wordingOf });
  if (!parsed.success) throw refusalOf(parsed.error.issues);
  return parsed.data;
}

function idOf({ context }: H3Event): string {
  return decodeURIComponent(context.middlewareParams?.id ?? "");
}

function uncached(body: object, status = 200): Response {
  return Response.json(body, { status, headers: { "cache-control": "no-store" } });
}

function fail(error: Error): never {
  throw error;
}
