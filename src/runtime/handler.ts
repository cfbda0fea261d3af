import type { H3Event } from "nitro";
import { useContext } from "./app.ts";

/** Serves the API once the World has started. */
export default async function handler({ req }: H3Event): Promise<Response> {
  const { ready, handler } = useContext();
  await ready;
  return handler(req);
}
