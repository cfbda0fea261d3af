import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { KeyRing } from "./keys.ts";

/** Tokens for the event stream of one run, which browsers cannot send headers with. */
export interface EventTokens {
  /** A token for the run, and the ISO time until which it is taken. */
  issue(runId: string): { token: string; expiresAt: string };
  /** Whether a token is for this run, and still taken. */
  verify(token: string, runId: string): boolean;
}

/** Milliseconds that a token is taken for. */
export const tokenLife: number = 10 * 60 * 1000;

/**
 * Signed tokens. Wherever the same keys are configured they are taken, and no longer when the keys are
 * others; without keys they are this object's own.
 */
export function createEventTokens(
  keys: Pick<KeyRing, "digests"> | undefined,
  now: () => number = Date.now,
): EventTokens {
  const secret = keys ? secretOf(keys.digests) : randomBytes(32);
  const sign = (expires: string, runId: string): Buffer =>
    createHmac("sha256", secret).update(`${expires}\n${runId}`).digest();
  return {
    issue(runId) {
      const expires = now() + tokenLife;
      return {
        token: `${expires}.${sign(String(expires), runId).toString("base64url")}`,
        expiresAt: new Date(expires).toISOString(),
      };
    },
    verify(token, runId) {
      const [, expires, signature] = /^(\d{1,15})\.([\w-]{43})$/.exec(token) ?? [];
      if (expires === undefined || signature === undefined) return false;
      const given = Buffer.from(signature, "base64url");
      return timingSafeEqual(given, sign(expires, runId)) && now() < Number(expires);
    },
  };
}

/** Derived, so that a token tells nothing of a key. */
function secretOf(digests: readonly Buffer[]): Buffer {
  const secret = createHash("sha256").update("orchestrator event tokens\n");
  for (const digest of digests) secret.update(digest);
  return secret.digest();
}
