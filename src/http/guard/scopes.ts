import type { ApiScope } from "../../types/handler.ts";
import { isGet } from "../parameters.ts";

/** What a request needs. */
export type Requirement =
  /** Anybody may send it, at any rate. */
  | { kind: "open" }
  /**
   * A key with this scope; or, for a run's event stream, a token of that run. What is sent all the time is not
   * counted for its key: a fleet that shares one would be too much.
   */
  | { kind: "scope"; scope: ApiScope; eventsOf?: string; uncounted?: true };

/** A request as the router sees it. */
export interface Target {
  method: string;
  /** As it is matched with routes: what may be written as it is stands there unescaped. */
  pathname: string;
  searchParams: URLSearchParams;
}

/** What is asked everywhere, by probes and scrapers that have no key. */
const probes: ReadonlySet<string> = new Set(["health", "ready", "metrics"]);

/**
 * What a request needs, by its method and path; what is below no mount needs what its method does.
 *
 * @param mounts paths that the API is served below, such as `/api/orchestrator`
 * @param isWorkflow whether a name is that of a discovered workflow, which comes before words of ours
 */
export async function requirementOf(
  { method, pathname, searchParams }: Target,
  mounts: readonly string[],
  isWorkflow: (name: string) => Promise<boolean>,
): Promise<Requirement> {
  const path = segmentsBelow(pathname, mounts);
  const [first = "", id, ...rest] = path;
  if (first === "servers") {
    const isHeartbeat = method === "POST" && rest.join("/") === "heartbeat";
    return { kind: "scope", scope: "admin", ...(isHeartbeat && { uncounted: true }) };
  }
  if (isGet(method)) {
    // A workflow may have such a name, and its runs are not for everybody.
    const isProbe = probes.has(first) && path.length === 1 && !searchParams.has("runId");
    if (isProbe) return { kind: "open" };
    const eventsOf = first === "runs" && rest.join("/") === "events" ? id : undefined;
    return { kind: "scope", scope: "read", ...(eventsOf !== undefined && { eventsOf }) };
  }
  if (method === "POST") {
    const isPlan = first === "plan" && path.length === 1 && !(await isWorkflow("plan"));
    const isToken = first === "runs" && rest.join("/") === "events/token";
    if (isPlan || isToken) return { kind: "scope", scope: "read" };
  }
  return { kind: "scope", scope: "run" };
}

/** Whether a request is for the page that people open, which has to be there to ask for their key. */
export function isDocsPage({ method, pathname }: Target, headers: Headers, route: string): boolean {
  const wantsHtml = (headers.get("accept") ?? "").includes("text/html");
  return isGet(method) && wantsHtml && pathname.replace(/\/$/, "") === `${route}/docs`;
}

/** A path's segments below the mount it is in; none of them for one outside of all. */
function segmentsBelow(pathname: string, mounts: readonly string[]): string[] {
  const mount = mounts
    .filter((mount) => pathname === mount || pathname.startsWith(`${mount}/`))
    .sort((a, b) => b.length - a.length)[0];
  if (mount === undefined) return [];
  return pathname.slice(mount.length).replace(/\/$/, "").split("/").slice(1);
}
