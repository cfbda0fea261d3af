import { lookup as lookupName, type LookupAddress } from "node:dns";
import { BlockList, isIPv6, type LookupFunction } from "node:net";
import { addressOf, hostOf, type HostRule, parseHostRules } from "../core/callback-hosts.ts";
import { OrchestratorError } from "../core/errors.ts";
import type { OrchestratorOptions } from "../types/config.ts";

/** Who may be told of a run's end. */
export interface CallbackTargets {
  /**
   * Refuses a URL that is not allowed, as far as it can be known before its name is resolved.
   *
   * @throws OrchestratorError `INPUT_VALIDATION_FAILED`, whose message begins with `callback.url`
   */
  assertAllowed(url: string): void;
  /** Resolves the URL's name to the allowed ones of its addresses alone; fails where there is none. */
  lookup(url: string): LookupFunction;
}

/** Resolves a name to all of its addresses. */
export type ResolveName = (
  name: string,
  options: { all: true; family?: number | "IPv4" | "IPv6"; hints?: number },
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

const where = "orchestrator.callbacks.allow or ORCHESTRATOR_CALLBACK_HOSTS";

/**
 * The targets that the options allow, else those of `ORCHESTRATOR_CALLBACK_HOSTS`; without either, every
 * public address.
 *
 * @throws OrchestratorError `CONFIG_INVALID`, whose message begins with the option's path or the variable's name
 */
export function createCallbackTargets(
  { allow }: OrchestratorOptions["callbacks"],
  env: Record<string, string | undefined>,
  resolve: ResolveName = lookupName,
): CallbackTargets {
  const rules = allow
    ? parseHostRules(allow, (index) => `orchestrator.callbacks.allow[${index}]`)
    : rulesOf(env.ORCHESTRATOR_CALLBACK_HOSTS);

  /** Which addresses a URL may lead to, by the rules that speak of it. */
  function permissionsOf(url: URL): Permissions {
    const host = hostOf(url);
    const port = Number(url.port || (url.protocol === "https:" ? 443 : 80));
    const fitting = rules?.filter((rule) => rule.port === undefined || rule.port === port) ?? [];
    const networks = fitting.filter((rule) => rule.kind === "network");
    return {
      host,
      // Whoever names a host answers for where it leads.
      any: fitting.some((rule) => rule.kind === "host" && rule.host === host),
      public:
        rules === undefined ||
        fitting.some((rule) => rule.kind === "subdomains" && host.endsWith(rule.suffix)),
      listed: networks.length > 0 ? blockListOf(networks) : undefined,
    };
  }

  return {
    assertAllowed(given) {
      const url = new URL(given);
      if (url.protocol !== "https:" && url.protocol !== "http:") {
        throw refused("must be an absolute http(s) URL");
      }
      if (url.username !== "" || url.password !== "") {
        throw refused("must not carry a user or a password");
      }
      const permissions = permissionsOf(url);
      const { host } = permissions;
      if (permissions.any) return;
      const address = addressOf(host)?.address ?? (isLocalName(host) ? "127.0.0.1" : undefined);
      if (address === undefined) {
        if (permissions.public || permissions.listed) return;
      } else if (isAllowed(address, permissions)) return;
      else if (rules === undefined) {
        throw refused(`must not lead to a private or reserved address unless ${where} lists it`);
      }
      throw refused(`must have a host that ${where} lists (got ${JSON.stringify(host)})`);
    },
    lookup(given) {
      const permissions = permissionsOf(new URL(given));
      return (name, { family, hints }, callback) => {
        const options = { all: true, ...(family && { family }), ...(hints && { hints }) } as const;
        resolve(name, options, (error, addresses) => {
          if (error) return callback(error, []);
          const allowed = addresses.filter(({ address }) => isAllowed(address, permissions));
          if (allowed.length > 0) return callback(null, allowed);
          callback(new Error(`leads to no address that is allowed: ${where} lists none`), []);
        });
      };
    },
  };
}

/** Which addresses a URL may lead to. */
interface Permissions {
  host: string;
  any: boolean;
  /** Those that are not special. */
  public: boolean;
  listed: BlockList | undefined;
}

function isAllowed(address: string, permissions: Permissions): boolean {
  if (permissions.any) return true;
  if (permissions.listed?.check(...checked(address))) return true;
  return permissions.public && !isSpecial(address);
}

function rulesOf(variable: string | undefined): HostRule[] | undefined {
  const entries = (variable ?? "")
    .split(",")
    .map((entry) => entry.trim())
    .filter(Boolean);
  if (entries.length === 0) return undefined;
  return parseHostRules(entries, (index) => `ORCHESTRATOR_CALLBACK_HOSTS: entry ${index + 1}`);
}

function refused(message: string): OrchestratorError {
  return new OrchestratorError("INPUT_VALIDATION_FAILED", `callback.url ${message}`, {
    data: { issues: [{ path: ["callback", "url"], message }] },
  });
}

/** A name that leads to this machine wherever it is resolved. */
function isLocalName(host: string): boolean {
  return host === "localhost" || host.endsWith(".localhost");
}

function blockListOf(networks: readonly Extract<HostRule, { kind: "network" }>[]): BlockList {
  const list = new BlockList();
  for (const { address, prefix, family } of networks) list.addSubnet(address, prefix, family);
  return list;
}

/** An address without its zone, and its family. */
function checked(address: string): [string, "ipv4" | "ipv6"] {
  const bare = address.replace(/%.*$/, "");
  return [bare, isIPv6(bare) ? "ipv6" : "ipv4"];
}

/** Networks whose addresses are not those of somebody in the public internet. */
const special = {
  ipv4: subnets("ipv4", [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    // With the metadata service of clouds.
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
  ]),
  // Of what is public at all: addresses that carry an IPv4 one in them, and examples.
  ipv6: subnets("ipv6", ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"]),
};

/** All that is assigned to the public; what carries an IPv4 address (::ffff:0:0/96, 64:ff9b::/96) is not. */
const global6 = subnets("ipv6", ["2000::/3"]);

function isSpecial(address: string): boolean {
  const [bare, family] = checked(address);
  if (family === "ipv6" && !global6.check(bare, family)) return true;
  return special[family].check(bare, family);
}

function subnets(family: "ipv4" | "ipv6", networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address, prefix] = network.split("/") as [string, string];
    list.addSubnet(address, Number(prefix), family);
  }
  return list;
}
