import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { parseRetryAfter } from "../core/retry-after.ts";
import type { CallbackTargets } from "./callback-targets.ts";

/** A callback's request. */
export interface CallbackRequest {
  url: string;
  headers: Record<string, string>;
  body: string;
  signal: AbortSignal;
  /** Milliseconds until it is given up. */
  timeout: number;
}

/** What a receiver answered, of which its body is nobody's concern. */
export interface CallbackAnswer {
  status: number;
  /** Milliseconds that it asks to wait. */
  retryAfter?: number;
}

/**
 * Posts a callback to a target that is allowed when it is sent: the connection goes to the very address
 * that was checked, and a redirect is an answer like any other.
 *
 * @throws what kept it from being answered
 */
export async function sendCallback(
  { url, headers, body, signal, timeout }: CallbackRequest,
  targets: CallbackTargets,
): Promise<CallbackAnswer> {
  // An address in the URL is not looked up.
  targets.assertAllowed(url);
  const target = new URL(url);
  const time = AbortSignal.timeout(timeout);
  const sendOne = target.protocol === "https:" ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const request = sendOne(
      target,
      {
        method: "POST",
        headers: { ...headers, "content-length": Buffer.byteLength(body) },
        // A connection that is kept would be one to an address that was allowed once.
        agent: false,
        lookup: targets.lookup(url),
        signal: AbortSignal.any([signal, time]),
      },
      (response) => {
        const retryAfter = parseRetryAfter(response.headers["retry-after"]);
        resolve({
          status: response.statusCode!,
          ...(retryAfter !== undefined && { retryAfter }),
        });
        // Whatever else it has to say, without end perhaps.
        request.destroy();
      },
    );
    request.on("error", (error) => {
      reject(time.aborted ? new Error(`no answer within ${timeout} ms`) : error);
    });
    request.end(body);
  });
}
