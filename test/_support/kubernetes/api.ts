import type { IncomingMessage, ServerResponse } from "node:http";
import type { Controllers } from "./controllers.ts";
import type { Kubelet } from "./kubelet.ts";
import { allows, type Asked, problemOf, type Rule, selects, selectsField } from "./rules.ts";
import type { Change, Resource, Store, Stored } from "./store.ts";

/** What the API answers from, and what may be switched while it does. */
export interface ApiParts {
  store: Store;
  kubelet: Kubelet;
  controllers: Controllers;
  namespaces: ReadonlySet<string>;
  token: string;
  user: string;
  /** By namespace; undefined allows all. */
  roles: Map<string, Rule[] | undefined>;
  /** Jobs that a namespace takes at most. */
  quota: { jobs?: number };
  /** All that was asked and allowed. */
  used: Set<string>;
  /** Milliseconds after which it is told that something was made. */
  lateness: { ms: number };
}

/** The answers to requests, and the watches that are open. */
export interface Api {
  handle(request: IncomingMessage, response: ServerResponse): void;
  /** Ends every watch without a word. */
  dropWatches(): void;
  readonly watches: number;
}

/** Bytes of a request at most, as etcd takes them. */
const REQUEST_BYTES = 1.5 * 1024 * 1024;

const route =
  /^\/(?:api|apis\/([a-z]+))\/v1\/namespaces\/([^/]+)\/(jobs|pods|secrets|events)(?:\/([^/]+)(?:\/(log))?)?$/;

/** Speaks the part of the API of Kubernetes that Jobs need. */
export function createApi(parts: ApiParts): Api {
  const { store, kubelet, controllers, namespaces, token, user, roles, quota, used, lateness } =
    parts;
  const watches = new Set<ServerResponse>();

  function handle(request: IncomingMessage, response: ServerResponse): void {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on("data", (chunk: Buffer) => {
      size += chunk.byteLength;
      if (size <= REQUEST_BYTES) chunks.push(chunk);
    });
    request.on("end", () => {
      if (size > REQUEST_BYTES)
        return refuse(response, 413, "", "Request entity too large: limit is 3145728");
      const text = Buffer.concat(chunks).toString();
      try {
        answer(request, response, text === "" ? undefined : JSON.parse(text));
      } catch (error) {
        refuse(response, 500, "InternalError", String(error));
      }
    });
  }

  function answer(request: IncomingMessage, response: ServerResponse, body: any): void {
    const url = new URL(request.url!, "https://kubernetes");
    if (request.headers.authorization !== `Bearer ${token}`) {
      return refuse(response, 401, "Unauthorized", "Unauthorized");
    }
    const match = route.exec(url.pathname);
    if (!match)
      return refuse(response, 404, "NotFound", "the server could not find the requested resource");
    const [, group = "", namespace, resource, name, sub] = match;
    const asked: Asked = {
      verb: verbOf(request.method!, name, url.searchParams.has("watch")),
      group,
      resource: sub ? `${resource}/${sub}` : resource!,
    };
    const rules = roles.get(namespace!);
    if (roles.has(namespace!) && rules && !allows(rules, asked)) {
      const what = `cannot ${asked.verb} resource "${asked.resource}" in API group "${group}" in the namespace "${namespace}"`;
      const full = group ? `${resource}.${group}` : resource;
      return refuse(response, 403, "Forbidden", `${full} is forbidden: User "${user}" ${what}`);
    }
    used.add(`${asked.verb} ${asked.group}/${asked.resource}`);
    if ((group === "batch") !== (resource === "jobs")) {
      return refuse(response, 404, "NotFound", "the server could not find the requested resource");
    }
    const kind = resource as Resource;
    if (request.method === "POST") return create(response, kind, namespace!, body);
    if (!name) {
      if (url.searchParams.get("watch") === "true") return watch(response, kind, namespace!, url);
      return list(response, kind, namespace!, url);
    }
    const object = store.get(kind, namespace!, name);
    if (!object) return refuse(response, 404, "NotFound", `${resource} "${name}" not found`);
    if (sub === "log") return log(response, object, url);
    if (request.method === "GET") return send(response, 200, object);
    const uid = body?.preconditions?.uid;
    if (uid !== undefined && uid !== object.metadata.uid) {
      return refuse(response, 409, "Conflict", "the UID in the precondition does not match");
    }
    controllers.remove(kind, object, body?.propagationPolicy ?? "Background");
    send(response, 200, { kind: "Status", apiVersion: "v1", status: "Success" });
  }

  function create(
    response: ServerResponse,
    resource: Resource,
    namespace: string,
    body: any,
  ): void {
    if (!namespaces.has(namespace)) {
      return refuse(response, 404, "NotFound", `namespaces "${namespace}" not found`);
    }
    const { stringData = {}, ...object } = structuredClone(body);
    object.metadata.namespace = namespace;
    if (resource === "secrets") {
      object.data = Object.fromEntries(
        Object.entries(stringData as Record<string, string>).map(([key, text]) => [
          key,
          Buffer.from(text).toString("base64"),
        ]),
      );
    }
    const problem = problemOf(resource, object);
    const { name } = object.metadata;
    if (problem)
      return refuse(response, 422, "Invalid", `${object.kind} "${name}" is invalid: ${problem}`);
    if (store.get(resource, namespace, name)) {
      return refuse(response, 409, "AlreadyExists", `${resource} "${name}" already exists`);
    }
    const { jobs = Infinity } = quota;
    const count = store.list("jobs", namespace).length;
    if (resource === "jobs" && count >= jobs) {
      const said = `exceeded quota: jobs, requested: count/jobs.batch=1, used: count/jobs.batch=${count}, limited: count/jobs.batch=${jobs}`;
      return refuse(response, 403, "Forbidden", `jobs.batch "${name}" is forbidden: ${said}`);
    }
    if (resource === "jobs") {
      const { metadata = {} } = object.spec.template;
      object.spec.template.metadata = {
        ...metadata,
        labels: { ...metadata.labels, "batch.kubernetes.io/job-name": name, "job-name": name },
      };
      object.status = {};
    }
    const made = store.create(resource, object);
    setTimeout(() => send(response, 201, made), lateness.ms);
  }

  function list(response: ServerResponse, resource: Resource, namespace: string, url: URL): void {
    const { searchParams: query } = url;
    const all = store
      .list(resource, namespace)
      .filter((object) => selects(query.get("labelSelector"), object))
      .filter((object) => selectsField(query.get("fieldSelector"), object));
    const limit = Number(query.get("limit") ?? 0) || Infinity;
    const from = Number(query.get("continue") ?? 0);
    const items = all.slice(from, from + limit);
    const more = from + limit < all.length;
    const metadata = {
      resourceVersion: String(store.version),
      ...(more && { continue: String(from + limit) }),
    };
    send(response, 200, { kind: "List", apiVersion: "v1", metadata, items });
  }

  function watch(response: ServerResponse, resource: Resource, namespace: string, url: URL): void {
    const { searchParams: query } = url;
    const from = Number(query.get("resourceVersion"));
    response.writeHead(200, { "content-type": "application/json" });
    response.flushHeaders();
    const say = (type: string, object: object): void =>
      void response.write(`${JSON.stringify({ type, object })}\n`);
    if (from < store.oldest) {
      const message = `too old resource version: ${from} (${store.oldest})`;
      say("ERROR", statusOf(410, "Expired", message));
      return void response.end();
    }
    const tell = ({ type, resource: changed, object }: Change): void => {
      const own = changed === resource && object.metadata.namespace === namespace;
      if (own && selects(query.get("labelSelector"), object)) say(type, object);
    };
    for (const change of store.changes(from)) tell(change);
    const off = store.onChange(tell);
    watches.add(response);
    const bookmark = setInterval(() => {
      if (query.get("allowWatchBookmarks") !== "true") return;
      say("BOOKMARK", { kind: "Pod", metadata: { resourceVersion: String(store.version) } });
    }, 500);
    const limit = setTimeout(
      () => response.end(),
      Number(query.get("timeoutSeconds") ?? 60) * 1000,
    );
    response.on("close", () => {
      off();
      watches.delete(response);
      clearInterval(bookmark);
      clearTimeout(limit);
    });
  }

  function log(response: ServerResponse, pod: Stored, url: URL): void {
    const container = url.searchParams.get("container") ?? pod.spec.containers[0].name;
    if (kubelet.isCutOff(pod)) {
      const message = `Get "https://10.0.0.7:10250/containerLogs/": dial tcp 10.0.0.7:10250: i/o timeout`;
      return refuse(response, 500, "InternalError", message);
    }
    const found = kubelet.logs(pod, container);
    if (!found) {
      const message = `container "${container}" in pod "${pod.metadata.name}" is waiting to start: ContainerCreating`;
      return refuse(response, 400, "BadRequest", message);
    }
    response.writeHead(200, { "content-type": "text/plain" });
    response.flushHeaders();
    let sent = 0;
    const follow = url.searchParams.get("follow") === "true";
    const push = (): void => {
      while (sent < found.parts.length) response.write(found.parts[sent++]);
      if (found.ended || !follow) response.end();
    };
    const off = found.onChange(push);
    response.on("close", off);
    push();
  }

  return {
    handle,
    dropWatches() {
      for (const response of watches) response.destroy();
    },
    get watches() {
      return watches.size;
    },
  };
}

/** Refuses in the form of Kubernetes. */
export function refuse(
  response: ServerResponse,
  code: number,
  reason: string,
  message: string,
  headers: Record<string, string> = {},
): void {
  send(response, code, statusOf(code, reason, message), headers);
}

function send(
  response: ServerResponse,
  code: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(code, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(body));
}

function statusOf(code: number, reason: string, message: string): object {
  return {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message,
    reason,
    code,
  };
}

function verbOf(method: string, name: string | undefined, watching: boolean): string {
  if (method === "POST") return "create";
  if (method === "DELETE") return "delete";
  if (name) return "get";
  return watching ? "watch" : "list";
}
