/** Patterns of the paths below the API's route, the literal ones first. */
const patterns = [
  "",
  "/docs",
  "/health",
  "/metrics",
  "/orchestrator",
  "/plan",
  "/ready",
  "/run",
  "/runs",
  "/spec.json",
  "/:name",
  "/orchestrator/:id",
  "/run/:id",
  "/runs/:id",
  "/:id/status",
  "/orchestrator/:id/status",
  "/run/:id/status",
  "/runs/:id/checkpoints",
  "/runs/:id/events",
  "/runs/:id/events/token",
].map((pattern) => ({ pattern, segments: pattern.split("/") }));

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
export function routeLabel(route: string, path: string): string {
  if (!path.startsWith(route)) return unmatched;
  const segments = path.slice(route.length).replace(/\/$/, "").split("/");
  if (segments[0] !== "") return unmatched;
  const match = patterns.find((candidate) => matches(candidate.segments, segments));
  return match ? route + match.pattern || "/" : unmatched;
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
