import { type H3, toNodeHandler } from "h3/node";

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

/** A request as h3 makes it of one of Node's. */
type FromNode = Request & { runtime?: { node?: { req: object } } };

/** A handler of the web's requests for `node:http` and for frameworks on it. */
export function toNodeListener(handler: (request: Request) => Promise<Response>): NodeListener {
  // Of an app it takes no more, and one of h3's would itself answer for paths that it cannot read.
  const fetch = (request: FromNode): Promise<Response> =>
    handler(withBody(request, (request.runtime?.node?.req ?? {}) as Treated));
  const listener = toNodeHandler({ fetch } as unknown as H3);
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
  // Of an address that cannot be read no other request can be made; the API refuses it.
  if (!URL.canParse(url)) return request;
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
