import type { H3Event } from "nitro";
import { useContext } from "./app.ts";

/** Serves the API of the app. */
export default function handler({ req }: H3Event): Promise<Response> {
  return useContext().handler(req);
}
