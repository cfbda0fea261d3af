import { isIP } from "node:net";

/** Headers by which a proxy says that a request comes from elsewhere. */
const forwarding = ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"];

/**
 * Whether a request comes from a program on this machine. A proxy here passes on requests of others, and a page
 * that somebody's browser shows may have a name that leads here: neither is meant.
 */
export function isFromHere(request: Request): boolean {
  const { headers, url } = request;
  const { ip } = request as { ip?: unknown };
  if (typeof ip !== "string" || !isLoopback(ip)) return false;
  if (forwarding.some((name) => headers.has(name))) return false;
  if (headers.has("origin") || headers.has("sec-fetch-site")) return false;
  const hostname = new URL(url).hostname.replace(/^\[|\]$/g, "");
  return hostname === "localhost" || isLoopback(hostname);
}

function isLoopback(address: string): boolean {
  const plain = address.replace(/^::ffff:(?=[\d.]+$)/i, "");
  return isIP(plain) === 4 ? plain.startsWith("127.") : plain === "::1";
}
