import { createHash, timingSafeEqual } from "node:crypto";
import { OrchestratorError } from "../../core/errors.ts";
import type { ApiKey, ApiScope } from "../../types/handler.ts";

/** Keys, by which requests are told who sent them. */
export interface KeyRing {
  /** The key of these characters; undefined where there is none. Takes as long for any. */
  find(credential: string): Pick<ApiKey, "name" | "scopes"> | undefined;
  /** Digests of the keys, sorted: the same wherever the same keys are configured. */
  digests: readonly Buffer[];
}

const allScopes: readonly ApiScope[] = ["read", "run", "admin"];

/**
 * Keys as configured, checked. No error repeats anything of what it was given but names and scopes.
 *
 * @throws OrchestratorError `CONFIG_INVALID`, whose message starts with `path`
 */
export function parseApiKeys(value: unknown, path: string): ApiKey[] {
  if (!Array.isArray(value) || value.length === 0) {
    throw refused(path, "must be a list of one or more {name, key, scopes}");
  }
  const keys = value.map((entry: unknown, at) => parseApiKey(entry, `${path}[${at}]`));
  for (const [at, { name, key }] of keys.entries()) {
    const others = keys.slice(0, at);
    if (others.some((other) => other.name === name)) {
      throw refused(`${path}[${at}].name`, `is the name of another key too (got "${name}")`);
    }
    if (others.some((other) => other.key === key)) {
      throw refused(`${path}[${at}].key`, "is the same as that of another key");
    }
  }
  return keys;
}

/**
 * Keys from a variable that holds JSON.
 *
 * @throws OrchestratorError `CONFIG_INVALID`, whose message starts with the variable
 */
export function parseApiKeysText(text: string, variable: string): ApiKey[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // What the parser says repeats a part of the text.
    throw refused(variable, "must be valid JSON: a list of {name, key, scopes}");
  }
  return parseApiKeys(value, variable);
}

/**
 * The characters of a key, checked; a header could not carry others.
 *
 * @throws OrchestratorError `CONFIG_INVALID`, whose message starts with `path`
 */
export function parseKeyText(value: unknown, path: string): string {
  if (typeof value === "string" && /^[\x21-\x7E]{1,512}$/.test(value)) return value;
  throw refused(path, "must be 1 to 512 visible ASCII characters");
}

/** Keys that can be asked for by what a request carries. */
export function createKeyRing(keys: readonly ApiKey[]): KeyRing {
  const known = keys.map(({ name, scopes, key }) => ({ name, scopes, digest: digestOf(key) }));
  return {
    digests: known.map(({ digest }) => digest).toSorted(Buffer.compare),
    find(credential) {
      const given = digestOf(credential);
      let found: (typeof known)[number] | undefined;
      // All of them are compared, so that the time tells nothing of which one is like it.
      for (const key of known) if (timingSafeEqual(key.digest, given)) found = key;
      return found;
    },
  };
}

/** What a request carries to say who sent it: `Authorization: Bearer …`, or `x-api-key`. */
export function credentialOf(headers: Headers): string | undefined {
  const bearer = /^bearer(?: +(.*))?$/i.exec(headers.get("authorization") ?? "");
  if (bearer) return (bearer[1] ?? "").trim();
  // What is of another scheme is for a proxy in front, which passes it on.
  return headers.get("x-api-key") ?? undefined;
}

function parseApiKey(value: unknown, path: string): ApiKey {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw refused(path, "must be {name, key, scopes}");
  }
  const { name, key, scopes, ...others } = value as Record<string, unknown>;
  // By its name it could be a key that stands in the wrong place.
  if (Object.keys(others).length > 0) throw refused(path, "must have name, key and scopes alone");
  if (typeof name !== "string" || !/^[\w.-]{1,64}$/.test(name)) {
    throw refused(`${path}.name`, "must be 1 to 64 letters, digits, dots, dashes or underscores");
  }
  return {
    name,
    key: parseKeyText(key, `${path}.key`),
    scopes: parseScopes(scopes, `${path}.scopes`),
  };
}

function parseScopes(value: unknown, path: string): ApiScope[] {
  const known = (scope: unknown): scope is ApiScope => allScopes.includes(scope as ApiScope);
  if (Array.isArray(value) && value.length > 0 && value.every(known)) return [...new Set(value)];
  throw refused(path, `must be a list of one or more of ${allScopes.join(", ")}`);
}

function digestOf(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

function refused(path: string, rule: string): OrchestratorError {
  return new OrchestratorError("CONFIG_INVALID", `${path} ${rule}`);
}
