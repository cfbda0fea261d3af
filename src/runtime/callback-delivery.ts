import type { CallbackInput, CallbackMessage } from "../core/callback.ts";
import { version } from "../core/version.ts";
import { sendCallback } from "./callback-request.ts";
import { webhookSignature } from "./callback-signature.ts";
import type { CallbackTargets } from "./callback-targets.ts";

/** What became of an attempt to deliver. */
export type DeliveryOutcome =
  | { delivered: true }
  /** `gone` where the receiver wants no more of it; `retryAfter` is in milliseconds. */
  | { delivered: false; failure: string; gone?: boolean; retryAfter?: number };

/** Milliseconds a receiver may take to answer. */
const TIMEOUT_MS = 15_000;

/** Tells a receiver once, as Standard Webhooks has it; whatever it does is an outcome. */
export async function deliverOnce(
  { url, secret }: Pick<CallbackInput, "secret" | "url">,
  { runId, body, traceparent }: CallbackMessage,
  { targets, signal }: { targets: CallbackTargets; signal: AbortSignal },
): Promise<DeliveryOutcome> {
  // The same at each attempt, so that a receiver knows what it had before.
  const id = `msg_${runId}`;
  const timestamp = Math.floor(Date.now() / 1000);
  const headers = {
    "content-type": "application/json",
    "user-agent": `runners-orchestrator/${version}`,
    "webhook-id": id,
    "webhook-timestamp": `${timestamp}`,
    ...(secret !== undefined && {
      "webhook-signature": webhookSignature(secret, id, timestamp, body),
    }),
    ...(traceparent !== undefined && { traceparent }),
  };
  try {
    const answer = await sendCallback({ url, headers, body, signal, timeout: TIMEOUT_MS }, targets);
    const { status, retryAfter } = answer;
    if (status >= 200 && status < 300) return { delivered: true };
    return {
      delivered: false,
      failure: `HTTP ${status}`,
      gone: status === 410,
      ...(retryAfter !== undefined && { retryAfter }),
    };
  } catch (error) {
    signal.throwIfAborted();
    const { message, code } = error as NodeJS.ErrnoException;
    // An attempt at several addresses fails without a message.
    return { delivered: false, failure: message || code || "unknown error" };
  }
}
