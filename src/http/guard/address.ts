import { isIP } from "node:net";

/**
 * Where a request comes from, as rate limits know it: an IPv4 address, or the 64 bits of an IPv6 address
 * that belong to one customer. `unknown` where the host does not say.
 *
 * @param trustProxy how many proxies in front each add to `X-Forwarded-For` whom they heard it from
 */
export function addressOf(request: Request, trustProxy: number): string {
  const { ip } = request as { ip?: unknown };
  const peer = typeof ip === "string" ? ip : "";
  return bucketOf(forwarded(request.headers, trustProxy) ?? peer) ?? "unknown";
}

/** What the outermost proxy that is trusted heard it from; what stands further left anybody may have written. */
function forwarded(headers: Headers, hops: number): string | undefined {
  if (hops === 0) return undefined;
  const list = (headers.get("x-forwarded-for") ?? "").split(",").map((entry) => entry.trim());
  const address = withoutPort(list[Math.max(0, list.length - hops)]!);
  return isIP(address) ? address : undefined;
}

function withoutPort(entry: string): string {
  return /^\[([^\]]+)\](?::\d+)?$/.exec(entry)?.[1] ?? /^([\d.]+):\d+$/.exec(entry)?.[1] ?? entry;
}

function bucketOf(address: string): string | undefined {
  const plain = /^::ffff:([\d.]+)$/i.exec(address)?.[1] ?? address.replace(/%.*$/, "");
  if (isIP(plain) !== 6) return isIP(plain) === 4 ? plain : undefined;
  // The URL parser writes it in full but for one `::`.
  const [head = "", tail] = new URL(`http://[${plain}]`).hostname.slice(1, -1).split("::");
  const left = head.split(":").filter(Boolean);
  const right = (tail ?? "").split(":").filter(Boolean);
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => "0");
  return `${[...left, ...zeros, ...right].slice(0, 4).join(":")}::/64`;
}
