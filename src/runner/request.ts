import { createHash } from "node:crypto";
import {
  BodyTooLargeError,
  canonicalJson,
  isJsonType,
  JsonRefusal,
  parseJson,
  readBody,
} from "../core/body.ts";
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
 * Refuses what a browser sends for a page of another site. Other clients do not send the header.
 *
 * @throws Refusal `FORBIDDEN`
 */
export function refuseOtherSites({ headers }: Request): void {
  if (headers.get("sec-fetch-site") === "cross-site") throw new Refusal("FORBIDDEN");
}

/**
 * Reads a JSON body of at most `limit` bytes, and stops reading where it exceeds them.
 *
 * @throws Refusal `PAYLOAD_TOO_LARGE`, or `BAD_REQUEST` for what is not JSON, or not taken as such.
 */
export async function readJson(request: Request, limit: number): Promise<unknown> {
  // Browsers send other types, and none, across origins without asking: any page could start runners.
  if (!isJsonType(request.headers.get("content-type") ?? "")) throw malformed();
  try {
    return parseJson(await readBody(request, limit), "refuse");
  } catch (error) {
    if (error instanceof BodyTooLargeError)
      throw new Refusal("PAYLOAD_TOO_LARGE", { data: { limit } });
    if (error instanceof JsonRefusal) throw badShape([error]);
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
  throw badShape(parsed.error.issues);
}

/** A digest that is the same for the same request, in whatever order its keys were written. */
export function fingerprintOf(request: RunnerExecuteRequest): string {
  return createHash("sha256").update(canonicalJson(request)).digest("base64");
}

function badShape(
  issues: readonly { path: PropertyKey[]; message: string; code: string }[],
): Refusal {
  const shown = issues.map(({ path, message, code }): ValidationIssue => ({
    path: path.map((part) => (typeof part === "symbol" ? part.toString() : part)),
    message,
    code,
  }));
  return new Refusal("BAD_REQUEST", { data: { issues: shown } });
}

function malformed(): Refusal {
  return new Refusal("BAD_REQUEST", { message: malformedMessage });
}
