import { OrchestratorError } from "./errors.ts";

/** What an entry of the list of callback hosts lets through, to any port where it names none. */
export type HostRule = { port?: number } & (
  | { kind: "host"; host: string }
  /** Of addresses, one or many: `prefix` is the number of bits they have in common. */
  | { kind: "network"; address: string; family: "ipv4" | "ipv6"; prefix: number }
  /** Every name that ends so; it begins with a dot. */
  | { kind: "subdomains"; suffix: string }
);

const rule =
  "must be a host such as hooks.example.com, *.example.com or 127.0.0.1:8080, or a network such as 10.0.0.0/8 (IPv4 from /8, IPv6 from /7)";

/** Bits that a network has at least: a larger one would let through what nobody thought of. */
const shortest = { ipv4: 8, ipv6: 7 };
const longest = { ipv4: 32, ipv6: 128 };

/**
 * The rules of a list.
 *
 * @param path what the message calls an entry
 * @throws OrchestratorError `CONFIG_INVALID`
 */
export function parseHostRules(
  entries: readonly unknown[],
  path: (index: number) => string,
): HostRule[] {
  return entries.map((entry, index) => {
    const parsed = typeof entry === "string" ? parseHostRule(entry.trim()) : undefined;
    if (parsed) return parsed;
    throw new OrchestratorError(
      "CONFIG_INVALID",
      `${path(index)} ${rule} (got ${JSON.stringify(entry)})`,
    );
  });
}

/** An entry's meaning; undefined where it has none. */
function parseHostRule(entry: string): HostRule | undefined {
  const network = /^([\d.]+|[\da-f:.]+)\/(\d{1,3})$/i.exec(entry);
  if (network) {
    const address = addressOf(canonicalHost(network[1]!));
    const prefix = Number(network[2]);
    if (!address || prefix < shortest[address.family] || prefix > longest[address.family]) {
      return undefined;
    }
    return { kind: "network", ...address, prefix };
  }
  const wild = entry.startsWith("*.");
  const [, written, digits] =
    /^(\[[\da-f:.]+\]|[\da-f]*:[\da-f:.]+|[^:]+)(?::(\d{1,5}))?$/i.exec(
      wild ? entry.slice(2) : entry,
    ) ?? [];
  const host = written === undefined ? undefined : canonicalHost(written);
  const port = digits === undefined ? {} : { port: Number(digits) };
  if (host === undefined || port.port === 0 || port.port! > 65_535) return undefined;
  const address = addressOf(host);
  if (wild) return address ? undefined : { kind: "subdomains", suffix: `.${host}`, ...port };
  if (!address) return { kind: "host", host, ...port };
  return { kind: "network", ...address, prefix: longest[address.family], ...port };
}

/** A host as a URL spells it, without the dot that may end it and the brackets of an address. */
export function hostOf({ hostname }: URL): string {
  return hostname.replace(/\.$/, "").replace(/^\[(.*)\]$/, "$1");
}

/** A host in the one spelling that URLs come to; undefined for what is none. */
function canonicalHost(written: string): string | undefined {
  const bare = written.replace(/^\[(.*)\]$/, "$1");
  const isV6 = bare.includes(":");
  if (!isV6 && !/^[\p{L}\p{M}\p{N}._-]+$/u.test(bare)) return undefined;
  try {
    return hostOf(new URL(`http://${isV6 ? `[${bare}]` : bare}/`)) || undefined;
  } catch {
    return undefined;
  }
}

/** The address that a canonical host is; undefined for a name. */
export function addressOf(
  host: string | undefined,
): { address: string; family: "ipv4" | "ipv6" } | undefined {
  if (host?.includes(":")) return { address: host, family: "ipv6" };
  // The URL parser makes an address of whatever ends in a number, or refuses it.
  return host !== undefined && /^\d+(?:\.\d+){3}$/.test(host)
    ? { address: host, family: "ipv4" }
    : undefined;
}
