import { depthLimit, parseJson } from "../core/body.ts";
import { bytesOf, createEventBounds, sanitizeEvent } from "../core/runner-events.ts";
import { isPlainObject } from "../core/runner-result.ts";
import type { JsonObject, RunnerEvent } from "../types/runner.ts";
import type { Server } from "../types/server.ts";
import { invalidResponse, responseError, unwrap } from "./http-response.ts";

/** Reads an answer in lines: events, and last the reply or an error. */
export interface LineReader {
  /**
   * Takes the next line. What comes after the last one counts for nothing, and so does an object that is
   * no event.
   *
   * @throws OrchestratorError `INVALID_RESPONSE` for what is no JSON object
   */
  take(line: string): void;
  /**
   * The reply's body and its text, once all lines were taken; undefined where there were none.
   *
   * @throws OrchestratorError what the server failed with, or `INVALID_RESPONSE` without a last line
   */
  end(): { body: unknown; text: string } | undefined;
}

/** A reader that passes on the events of a server, within the limits of one execution. */
export function createLineReader(
  server: Server,
  onEvent: (event: RunnerEvent) => void,
): LineReader {
  // One line more, which tells of those that the server dropped.
  const bounds = createEventBounds(1);
  let last: { text: string; value: JsonObject } | undefined;
  let latest: string | undefined;

  return {
    take(text) {
      if (last || text.trim() === "") return;
      latest = text;
      const value = parseLine(text, server);
      if ("reply" in value || "error" in value) last = { text, value };
      else {
        const event = sanitizeEvent(value);
        if (event && bounds.admit(event, bytesOf(text))) onEvent(event);
      }
    },
    end() {
      if (latest === undefined) return undefined;
      if (!last) throw invalidResponse(server, "no reply at the end of its lines", latest);
      const { text, value } = last;
      if ("reply" in value) return { body: unwrap(value.reply), text };
      const { error, status } = value;
      throw responseError(
        { status: isFailure(status) ? status : 500, headers: new Headers() },
        JSON.stringify(error),
        server,
      );
    },
  };
}

/** @throws OrchestratorError `INVALID_RESPONSE` */
function parseLine(text: string, server: Server): JsonObject {
  let value: unknown;
  try {
    // The line's own level comes on top of those of a reply.
    value = parseJson(text, "drop", depthLimit + 1);
  } catch {
    // Told below, with what else is no object.
  }
  if (isPlainObject(value)) return value;
  throw invalidResponse(server, "a line that is no JSON object", text);
}

function isFailure(status: unknown): status is number {
  return Number.isInteger(status) && (status as number) >= 400 && (status as number) <= 599;
}
