import type { Server } from "../types/server.ts";
import { OrchestratorError } from "./errors.ts";

const variable = "PLAYWRIGHT_RUNNERS";

/**
 * The servers of a list, checked and copied.
 *
 * @param path what the message calls the list, such as `orchestrator.registry.servers`
 * @throws OrchestratorError `CONFIG_INVALID`, such as
 * `servers[0].url must be an absolute http(s) URL (got "foo")`
 */
export function validateServers(servers: unknown, path = "servers"): Server[] {
  if (!Array.isArray(servers)) throw invalid(path, "must be an array of servers", servers);
  const valid = servers.map((server, index) => validateServer(server, `${path}[${index}]`));
  assertUniqueIds(valid, (index) => `${path}[${index}].id`);
  return valid;
}

/**
 * One server, checked and copied.
 *
 * @throws OrchestratorError `CONFIG_INVALID`
 */
export function validateServer(server: unknown, path = "server"): Server {
  if (typeof server !== "object" || server === null || Array.isArray(server)) {
    throw invalid(path, "must be an object {id, url, region}", server);
  }
  const { id, url, region, weight, capacity, ...others } = server as Record<string, unknown>;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) {
    throw new OrchestratorError(
      "CONFIG_INVALID",
      `${path}.${unknown} is not known. A server is {id, url, region, weight?, capacity?}`,
    );
  }
  assertName(id, `${path}.id`);
  assertServerUrl(url, `${path}.url`);
  assertName(region, `${path}.region`);
  const valid: Server = { id, url, region };
  if (weight !== undefined) {
    if (!(typeof weight === "number" && Number.isFinite(weight) && weight > 0)) {
      throw invalid(`${path}.weight`, "must be a number above 0", weight);
    }
    valid.weight = weight;
  }
  if (capacity !== undefined) {
    if (!(Number.isSafeInteger(capacity) && (capacity as number) >= 1)) {
      throw invalid(`${path}.capacity`, "must be an integer of at least 1", capacity);
    }
    valid.capacity = capacity as number;
  }
  return valid;
}

/**
 * The servers of `PLAYWRIGHT_RUNNERS`: JSON that maps a region to a URL, or to an array of URLs. A
 * region's one server has the region's name as its id; several are `<region>-1`, `<region>-2`, ….
 *
 * @throws OrchestratorError `CONFIG_INVALID`
 */
export function serversFromRegions(json: string | undefined): Server[] {
  const expected = "Expected JSON object mapping regions to URLs.";
  if (!json?.trim()) {
    throw new OrchestratorError(
      "CONFIG_INVALID",
      `${variable} environment variable is not set. ${expected}`,
    );
  }
  const regions = parse(json);
  if (typeof regions !== "object" || regions === null || Array.isArray(regions)) {
    throw new OrchestratorError(
      "CONFIG_INVALID",
      `${variable} environment variable is not valid. ${expected} (got ${shown(json)})`,
    );
  }
  return serversOfRegions(regions, variable);
}

/**
 * The servers of a map from a region to a URL, or to an array of URLs, with ids as for `PLAYWRIGHT_RUNNERS`.
 *
 * @param path what the message calls the map
 * @throws OrchestratorError `CONFIG_INVALID`
 */
export function serversOfRegions(regions: object, path: string): Server[] {
  const servers = Object.entries(regions).flatMap(([region, urls]) =>
    serversOf(region, urls, path),
  );
  assertUniqueIds(servers, (index) => `${path}: id ${index + 1}`);
  return servers;
}

function serversOf(region: string, urls: unknown, map: string): Server[] {
  const path = `${map}[${JSON.stringify(region)}]`;
  assertName(region, `${map}: region`);
  if (!Array.isArray(urls)) {
    assertServerUrl(urls, path);
    return [{ id: region, url: urls, region }];
  }
  return urls.map((url: unknown, index) => {
    assertServerUrl(url, `${path}[${index}]`);
    return { id: `${region}-${index + 1}`, url, region };
  });
}

function assertUniqueIds(servers: Server[], path: (index: number) => string): void {
  const seen = new Set<string>();
  for (const [index, { id }] of servers.entries()) {
    if (seen.has(id)) throw invalid(path(index), "must be unique", id);
    seen.add(id);
  }
}

function assertName(value: unknown, path: string): asserts value is string {
  if (typeof value !== "string" || value.trim() === "") {
    throw invalid(path, "must be a non-empty string", value);
  }
}

function assertServerUrl(value: unknown, path: string): asserts value is string {
  const url = typeof value === "string" && URL.canParse(value) ? new URL(value) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw invalid(path, "must be an absolute http(s) URL", value);
  }
  // `/execute` is appended to it, and fetch refuses credentials in a URL.
  if (url.username || url.password || url.search || url.hash) {
    throw new OrchestratorError(
      "CONFIG_INVALID",
      `${path} must not contain credentials, a query or a fragment`,
    );
  }
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

function invalid(path: string, rule: string, got: unknown): OrchestratorError {
  return new OrchestratorError("CONFIG_INVALID", `${path} ${rule} (got ${shown(got)})`);
}

function shown(value: unknown): string {
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}
