import { H3, toNodeHandler } from "h3/node";

/**
 * A listener of `node:http`, which Express and Connect take as well. It says no more of its arguments than it
 * has to, so that its type needs no types of Node's.
 */
export type NodeListener = (request: { url?: string | undefined }, response: object) => void;

/** What Express, Connect and their parsers of bodies leave on a request. */
interface Treated {
  body?: unknown;
  originalUrl?: string;
  readableEnded?: boolean;
}

/** A handler of the web's requests for `node:http` and for frameworks on it. */
export function toNodeListener(handler: (request: Request) => Promise<Response>): NodeListener {
  const app = new H3({ silent: true }).all("/**", ({ req, runtime }) =>
    handler(withBody(req, (runtime?.node?.req ?? {}) as Treated)),
  );
  const listener = toNodeHandler(app);
  return (request, response) => {
    // Express and Connect cut off the path below which they are mounted.
    const { originalUrl } = request as Treated;
    if (originalUrl !== undefined) request.url = originalUrl;
    void listener(request as never, response as never);
  };
}

/** The request with its body, also where a parser in front of us has read it already. */
function withBody(request: Request, { body, readableEnded }: Treated): Request {
  const { method, signal, url } = request;
  if (body === undefined || !readableEnded || method === "GET" || method === "HEAD") return request;
  const headers = new Headers(request.headers);
  // They were about the bytes that came.
  for (const name of ["content-encoding", "content-length", "transfer-encoding"]) {
    headers.delete(name);
  }
  const asIs = typeof body === "string" || body instanceof Uint8Array;
  const init = { method, headers, signal, body: asIs ? (body as BodyInit) : JSON.stringify(body) };
  const { ip } = request as { ip?: string };
  return Object.defineProperty(new Request(url, init), "ip", { value: ip });
}
