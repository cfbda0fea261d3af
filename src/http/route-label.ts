/** Where the API is, and the run service beside it. */
export interface Mount {
  route: string;
  service: string | false;
}

/** Patterns of the paths of the run service. */
const servicePatterns = [
  "/health",
  "/metrics",
  "/ready",
  "/runs",
  "/runs/:id",
  "/runs/:id/checkpoints",
  "/runs/:id/events",
  "/runs/:id/events/token",
].map(compile);

/** Patterns of the paths below the API's route, the literal ones first. */
const patterns = [
  "",
  "/docs",
  "/orchestrator",
  "/plan",
  "/run",
  "/servers",
  "/spec.json",
  "/:name",
  "/orchestrator/:id",
  "/run/:id",
  "/servers/:id",
  "/:id/status",
  "/orchestrator/:id/status",
  "/run/:id/status",
  "/servers/:id/heartbeat",
].map(compile);

/** A pattern and its segments. */
interface Pattern {
  pattern: string;
  segments: readonly string[];
}

function compile(pattern: string): Pattern {
  return { pattern, segments: pattern.split("/") };
}

const apiPatterns = [...servicePatterns, ...patterns];

/** What stands for every path that no pattern has. */
const unmatched = "unmatched";

const methods: ReadonlySet<string> = new Set([
  "DELETE",
  "GET",
  "HEAD",
  "OPTIONS",
  "PATCH",
  "POST",
  "PUT",
]);

/** The pattern of a request's path, of which there are few, whatever is asked for. */
export function routeLabel(path: string, { route, service }: Mount): string {
  const below = find(path, route, apiPatterns);
  if (below !== undefined || service === false) return below ?? unmatched;
  return find(path, service, servicePatterns) ?? unmatched;
}

function find(path: string, base: string, candidates: readonly Pattern[]): string | undefined {
  if (!path.startsWith(base)) return undefined;
  const segments = path.slice(base.length).replace(/\/$/, "").split("/");
  if (segments[0] !== "") return undefined;
  const match = candidates.find((candidate) => matches(candidate.segments, segments));
  return match && (base + match.pattern || "/");
}

/** A method's name; one word for all that nobody uses. */
export function methodLabel(method: string): string {
  return methods.has(method) ? method : "other";
}

function matches(pattern: readonly string[], segments: readonly string[]): boolean {
  return (
    pattern.length === segments.length &&
    pattern.every((part, index) =>
      part.startsWith(":") ? segments[index] !== "" : part === segments[index],
    )
  );
}
