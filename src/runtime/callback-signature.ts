import { createHmac } from "node:crypto";

const encodedPrefix = "whsec_";

/** Why a text is no secret to sign with; undefined for one that is. It never says what the text is. */
export function secretProblem(secret: string): string | undefined {
  if (secret.length < 16 || secret.length > 500) return "must have 16 to 500 characters";
  if (!secret.startsWith(encodedPrefix)) return undefined;
  const encoded = secret.slice(encodedPrefix.length);
  const canonical = Buffer.from(encoded, "base64").toString("base64");
  if (encoded.replace(/=+$/, "") === canonical.replace(/=+$/, "")) return undefined;
  return `must be base64 after ${encodedPrefix}`;
}

/**
 * The value of `webhook-signature` as Standard Webhooks has it.
 *
 * @param secret `whsec_` and base64, or any other text, whose bytes are taken as they are
 * @param timestamp seconds, as in `webhook-timestamp`
 */
export function webhookSignature(
  secret: string,
  id: string,
  timestamp: number,
  body: string,
): string {
  const key = secret.startsWith(encodedPrefix)
    ? Buffer.from(secret.slice(encodedPrefix.length), "base64")
    : Buffer.from(secret, "utf8");
  const digest = createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest("base64");
  return `v1,${digest}`;
}
