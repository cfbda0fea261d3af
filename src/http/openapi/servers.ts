import type { JsonObject } from "../../types/index.ts";
import type { ServerStatus } from "../../types/server.ts";
import { otherMethod } from "../routes/runs.ts";
import {
  idTaken,
  notFromHere,
  parse,
  registryAway,
  staysThere,
  unknownServer,
} from "../routes/servers.ts";
import { heartbeatSchema, joiningServerSchema } from "../server-schemas.ts";
import { refer } from "./components.ts";
import { errorExamples, sharedErrors, thrownBy, workflowForm } from "./errors.ts";
import { jsonAnswer, jsonContent, objectOf, type Operation, type Paths } from "./operation.ts";

/** The runner servers, below the API's route. */
export async function serverPaths(route: string): Promise<Paths> {
  return {
    [`${route}/servers`]: { get: await listOperation(), post: await joinOperation() },
    [`${route}/servers/{id}`]: { get: await getOperation(), delete: await leaveOperation() },
    [`${route}/servers/{id}/heartbeat`]: { post: await heartbeatOperation() },
  };
}

const tags = ["servers"];

const joining = {
  id: "eu-1",
  url: "https://eu-1.example.com/api/runner",
  region: "eu-west-1",
  capacity: 4,
};

const example: ServerStatus = {
  ...joining,
  circuit: "closed",
  inFlight: 1,
  load: 0,
  lastSeenAt: 1_795_600_000_000,
  leavesAt: 1_795_600_030_000,
};

const joined = { server: example, heartbeat: { interval: 10_000, ttl: 30_000 } };

const id: JsonObject = {
  name: "id",
  in: "path",
  required: true,
  description: "The server's id.",
  schema: { type: "string" },
  example: example.id,
};

/** The errors that all of these operations have. */
async function errorsOf(methods: readonly string[], known = false): Promise<JsonObject> {
  const description = "There is no such server.";
  const unknown = { unknownServer: unknownServer(example.id) };
  return {
    ...(known && { 404: await errorExamples(workflowForm, 404, unknown, description) }),
    405: await errorExamples(workflowForm, 405, { otherMethod: otherMethod(methods) }),
    ...sharedErrors(workflowForm, [500]),
    503: await errorExamples(
      workflowForm,
      503,
      { registryAway: registryAway() },
      "The registry is out of reach, or the orchestrator is starting.",
    ),
  };
}

/** The 403 of a change, which the guard's own comes beside. */
function forbidden(): Promise<JsonObject> {
  return errorExamples(
    workflowForm,
    403,
    { notFromHere: notFromHere() },
    "No API key is set and the request comes from elsewhere, or a browser sent it for a page of another site.",
  );
}

async function listOperation(): Promise<Operation> {
  const servers = { type: "array", items: refer("ServerStatus") };
  return {
    operationId: "listServers",
    tags,
    summary: "List the runner servers",
    description: "The configured ones, and those that have joined, with what is known of them now.",
    responses: {
      200: jsonAnswer("All of them.", objectOf({ servers }), { servers: { servers: [example] } }),
      ...(await errorsOf(["GET", "POST"])),
    },
  };
}

async function joinOperation(): Promise<Operation> {
  const wrong = (body: Record<string, unknown>): unknown =>
    thrownBy(() => parse(joiningServerSchema, body));
  return {
    operationId: "joinServer",
    tags,
    summary: "Join as a runner server",
    description:
      "It gets jobs from now on, until it leaves or sends no heartbeat for too long. Once more is a heartbeat, and tells what has changed. Without API keys this is for programs of the same machine.",
    requestBody: {
      required: true,
      content: jsonContent(refer("JoiningServer"), { joining }),
    },
    responses: {
      200: jsonAnswer("It is known.", refer("JoinedServer"), { known: joined }),
      201: jsonAnswer("It has joined.", refer("JoinedServer"), { joined }),
      400: await errorExamples(workflowForm, 400, {
        wrongUrl: wrong({ ...joining, url: "eu-1.example.com" }),
        noRegion: wrong({ url: joining.url }),
        wrongField: wrong({ ...joining, regions: [] }),
      }),
      403: await forbidden(),
      409: await errorExamples(
        workflowForm,
        409,
        { idTaken: idTaken(example) },
        "A configured server has this id and another url or region.",
      ),
      ...sharedErrors(workflowForm, [413, 415]),
      ...(await errorsOf(["GET", "POST"])),
    },
  };
}

async function getOperation(): Promise<Operation> {
  return {
    operationId: "getServer",
    tags,
    summary: "Get a runner server",
    parameters: [id],
    responses: {
      200: jsonAnswer("The server.", objectOf({ server: refer("ServerStatus") }), {
        server: { server: example },
      }),
      ...(await errorsOf(["GET", "DELETE"], true)),
    },
  };
}

async function leaveOperation(): Promise<Operation> {
  return {
    operationId: "leaveServer",
    tags,
    summary: "Leave as a runner server",
    description: "It gets no more jobs. Those it has may end.",
    parameters: [id],
    responses: {
      200: jsonAnswer("It has left.", objectOf({ ok: { const: true } }), { left: { ok: true } }),
      403: await forbidden(),
      409: await errorExamples(
        workflowForm,
        409,
        { stays: staysThere(example.id) },
        "The server is configured, and stays.",
      ),
      ...(await errorsOf(["GET", "DELETE"], true)),
    },
  };
}

async function heartbeatOperation(): Promise<Operation> {
  return {
    operationId: "sendHeartbeat",
    tags,
    summary: "Tell that a runner server lives",
    description: "With what it has to do, where it says. One that is unknown is to join again.",
    parameters: [id],
    requestBody: {
      content: jsonContent(refer("Heartbeat"), { busy: { load: 1, capacity: 4 } }),
    },
    responses: {
      200: jsonAnswer("It stays.", refer("JoinedServer"), { alive: joined }),
      400: await errorExamples(workflowForm, 400, {
        wrongLoad: thrownBy(() => parse(heartbeatSchema, { load: -1 })),
      }),
      403: await forbidden(),
      ...sharedErrors(workflowForm, [413, 415]),
      ...(await errorsOf(["POST"], true)),
    },
  };
}
