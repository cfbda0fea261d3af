import type { H3Event } from "nitro";
import { useContext } from "./app.ts";
import { noteServer } from "./idle-connections.ts";

/** Serves the API of the app. */
export default function handler({ req }: H3Event): Promise<Response> {
  noteServer(req);
  return useContext().handler(req);
}
