import { Agent as HttpAgent, type IncomingMessage, request as httpRequest } from "node:http";
import { Agent as HttpsAgent, type RequestOptions, request as httpsRequest } from "node:https";
import { onAbort } from "../core/abort.ts";
import { OrchestratorError } from "../core/errors.ts";
import { parseRetryAfter } from "../core/retry-after.ts";
import { ApiError, apiError } from "./kubernetes-errors.ts";

/** What there is to ask of an API server. */
export interface KubernetesApi {
  /** The namespace that its context names. */
  readonly namespace: string | undefined;
  /**
   * Asks once, and answers with the parsed body.
   *
   * @throws ApiError
   */
  send(request: ApiRequest): Promise<unknown>;
  /**
   * Reads an answer that may last; resolves at its end.
   *
   * @throws ApiError
   */
  follow(
    request: Omit<ApiRequest, "body" | "method"> & {
      /** Told that the answer has begun. */
      onOpen?: () => void;
      /** Takes it part by part; what it throws ends the request. */
      onText: (text: string) => void;
      /** Milliseconds without anything after which the connection counts as broken. */
      idle: number;
    },
  ): Promise<void>;
  close(): void;
}

/** One request. */
export interface ApiRequest {
  method?: "DELETE" | "GET" | "POST";
  path: string;
  query?: Record<string, boolean | number | string | undefined>;
  body?: unknown;
  signal?: AbortSignal;
}

/** The part of a `KubeConfig` that is used: where the server is, and what it is asked with. */
export interface ClientConfig {
  getCurrentCluster(): { server: string } | null;
  getContextObject(name: string): { namespace?: string } | null;
  getCurrentContext(): string;
  applyToHTTPSOptions(options: RequestOptions): Promise<void>;
}

/** Milliseconds until a request without an answer is given up. */
const ANSWER_MS = 30_000;

/** Bytes of an answer at most; pages of lists are far below. */
const ANSWER_BYTES = 32 * 1024 * 1024;

/** How often the system asks whether the other side of a connection is still there. */
const PROBE_MS = 30_000;

/**
 * Asks an API server with the credentials of a kubeconfig, over connections that are kept. The generated
 * client has no limit of time or size and cannot be stopped, so that only its kubeconfig is used.
 */
export function createKubernetesApi(config: ClientConfig): KubernetesApi {
  const cluster = config.getCurrentCluster();
  if (!cluster) {
    throw new OrchestratorError(
      "CONFIG_INVALID",
      `The kubeconfig has no cluster for its context ${JSON.stringify(config.getCurrentContext())}`,
    );
  }
  const base = cluster.server.replace(/\/+$/, "");
  const kept = { keepAlive: true, keepAliveMsecs: PROBE_MS };
  const agents = base.startsWith("https:") ? new HttpsAgent(kept) : new HttpAgent(kept);

  /** Credentials are asked for each time: tokens are renewed while we run. */
  async function optionsOf(method: string, body: string | undefined): Promise<RequestOptions> {
    const options: RequestOptions = { method };
    await config.applyToHTTPSOptions(options);
    // A proxy has an agent of its own; any other is a new one for each request.
    const plain = options.agent instanceof HttpAgent && isPlain(options.agent);
    options.agent = plain ? agents : options.agent;
    options.headers = {
      ...(options.headers as Record<string, string> | undefined),
      accept: "application/json",
      ...(body !== undefined && {
        "content-type": "application/json",
        "content-length": String(Buffer.byteLength(body)),
      }),
    };
    return options;
  }

  /** Sends a request, and hands its answer to `read`, which says how it ends. */
  async function open<T>(
    { method = "GET", path, query = {}, body, signal }: ApiRequest,
    idle: number,
    read: (answer: IncomingMessage, settle: (error: unknown, value?: T) => void) => void,
  ): Promise<T> {
    signal?.throwIfAborted();
    const text = body === undefined ? undefined : JSON.stringify(body);
    const options = await optionsOf(method, text).catch((cause: unknown) => {
      throw new ApiError(`no credentials: ${(cause as Error).message}`, { cause });
    });
    signal?.throwIfAborted();
    const broken = (cause: Error): ApiError =>
      new ApiError(`${base}: ${messageOf(cause)}`, { cause });
    let off = (): void => undefined;
    try {
      return await new Promise<T>((resolve, reject) => {
        const send = base.startsWith("https:") ? httpsRequest : httpRequest;
        const request = send(`${base}${path}${queryOf(query)}`, options, (answer) => {
          answer.on("error", (error) => reject(broken(error)));
          read(answer, (error, value) => {
            if (error === undefined) return resolve(value as T);
            reject(error as Error);
            request.destroy();
          });
        });
        request.setTimeout(idle, () => request.destroy(new Error(`silent for ${idle} ms`)));
        request.on("error", (error) => reject(broken(error)));
        off = onAbort(signal, () => request.destroy(signal!.reason as Error));
        request.end(text);
      });
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    } finally {
      off();
    }
  }

  return {
    namespace: config.getContextObject(config.getCurrentContext())?.namespace,
    async send(request) {
      const text = await open<string>(request, ANSWER_MS, (answer, settle) => {
        readText(answer, (error, text) => settle(error ?? refusal(answer, text), text));
      });
      try {
        return JSON.parse(text) as unknown;
      } catch (cause) {
        throw new ApiError(`${base} answered with what is no JSON`, { cause });
      }
    },
    follow: ({ onOpen, onText, idle, ...request }) =>
      open(request, idle, (answer, settle) => {
        if (answer.statusCode !== 200) {
          readText(answer, (error, text) => settle(error ?? refusal(answer, text)));
          return;
        }
        onOpen?.();
        const decoder = new TextDecoder();
        answer.on("data", (part: Buffer) => {
          if (request.signal?.aborted) return;
          try {
            onText(decoder.decode(part, { stream: true }));
          } catch (error) {
            settle(error);
          }
        });
        answer.on("end", () => settle(undefined));
      }),
    close: () => agents.destroy(),
  };
}

/** Reads an answer within the limit. */
function readText(answer: IncomingMessage, done: (error: unknown, text: string) => void): void {
  const parts: Buffer[] = [];
  let size = 0;
  answer.on("data", (part: Buffer) => {
    size += part.byteLength;
    if (size > ANSWER_BYTES) done(new ApiError(`an answer of more than ${ANSWER_BYTES} bytes`), "");
    else parts.push(part);
  });
  answer.on("end", () => done(undefined, Buffer.concat(parts).toString("utf8")));
}

function refusal({ statusCode = 0, headers }: IncomingMessage, text: string): ApiError | undefined {
  if (statusCode >= 200 && statusCode <= 299) return undefined;
  return apiError(statusCode, text, parseRetryAfter(headers["retry-after"]));
}

/** Whether an agent is one of Node's own, not one that goes through a proxy. */
function isPlain(agent: HttpAgent): boolean {
  return agent.constructor === HttpsAgent || agent.constructor === HttpAgent;
}

/** Where a host has several addresses, the error of all has a code alone. */
function messageOf(error: Error): string {
  return error.message || (error as { code?: string }).code || String(error);
}

function queryOf(query: ApiRequest["query"]): string {
  const set = Object.entries(query ?? {}).filter(([, value]) => value !== undefined);
  if (set.length === 0) return "";
  return `?${new URLSearchParams(set.map(([name, value]) => [name, String(value)])).toString()}`;
}
