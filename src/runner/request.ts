import { createHash } from "node:crypto";
import { BodyTooLargeError, canonicalJson, isJsonType, readBody } from "../core/body.ts";
import type { RunnerExecuteRequest, ValidationIssue } from "../types/index.ts";
import { executeRequestSchema } from "./contract.ts";
import { malformedMessage, Refusal } from "./refusal.ts";

/** A body and which of the two wires it came on. */
export interface OpenedBody {
  payload: unknown;
  /** True for `{"json": payload}`: the reply, errors included, must be wrapped likewise. */
  enveloped: boolean;
}

/**
 * Reads a JSON body of at most `limit` bytes, and stops reading where it exceeds them.
 *
 * @throws Refusal `PAYLOAD_TOO_LARGE`, or `BAD_REQUEST` for what is not JSON.
 */
export async function readJson(request: Request, limit: number): Promise<unknown> {
  const type = request.headers.get("content-type");
  // Browsers send other types across origins without asking, so that any page could start runners.
  if (type !== null && !isJsonType(type)) throw malformed();
  try {
    return JSON.parse(await readBody(request, limit));
  } catch (error) {
    if (error instanceof BodyTooLargeError)
      throw new Refusal("PAYLOAD_TOO_LARGE", { data: { limit } });
    throw malformed();
  }
}

/** Takes the payload out of an RPC envelope, which has the key `json` and at most `meta` beside it. */
export function openEnvelope(body: unknown): OpenedBody {
  if (typeof body !== "object" || body === null || !Object.hasOwn(body, "json")) {
    return { payload: body, enveloped: false };
  }
  const enveloped = Object.keys(body).every((key) => key === "json" || key === "meta");
  return { payload: enveloped ? (body as { json: unknown }).json : body, enveloped };
}

/** @throws Refusal `BAD_REQUEST` with the issues of a payload of the wrong shape. */
export function parseExecuteRequest(payload: unknown): RunnerExecuteRequest {
  const parsed = executeRequestSchema.safeParse(payload);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map(({ path, message, code }): ValidationIssue => ({
    path: path.map((part) => (typeof part === "symbol" ? part.toString() : part)),
    message,
    code,
  }));
  throw new Refusal("BAD_REQUEST", { data: { issues } });
}

/** A digest that is the same for the same request, in whatever order its keys were written. */
export function fingerprintOf(request: RunnerExecuteRequest): string {
  return createHash("sha256").update(canonicalJson(request)).digest("base64");
}

function malformed(): Refusal {
  return new Refusal("BAD_REQUEST", { message: malformedMessage });
}
