import { H3, toNodeHandler } from "h3/node";

/**
 * A listener of `node:http`, which Express and Connect take as well. It says no more of its arguments than it
 * has to, so that its type needs no types of Node's.
 */
export type NodeListener = (request: { url?: string | undefined }, response: object) => void;

/**
 * A handler of the web's requests for `node:http` and for frameworks on it. It reads the body itself,
 * so in Express it stands before parsers of bodies.
 */
export function toNodeListener(handler: (request: Request) => Promise<Response>): NodeListener {
  const app = new H3({ silent: true }).all("/**", ({ req }) => handler(req));
  const listener = toNodeHandler(app);
  return (request, response) => {
    // Express and Connect cut off the path below which they are mounted.
    const { originalUrl } = request as { originalUrl?: string };
    if (originalUrl !== undefined) request.url = originalUrl;
    void listener(request as never, response as never);
  };
}
