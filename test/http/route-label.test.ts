import { expect, test } from "vitest";
import { orchestratorDocument } from "../../src/http/openapi.ts";
import { methodLabel, routeLabel } from "../../src/http/route-label.ts";

const route = "/api/orchestrator";

test.each([
  ["/api/o", "/api/o"],
  ["/api/o/", "/api/o"],
  ["/api/o/runs", "/api/o/runs"],
  ["/api/o/runs/r1/events", "/api/o/runs/:id/events"],
  ["/api/o/runs/r1/events/token", "/api/o/runs/:id/events/token"],
  ["/api/o/runs/r1/checkpoints/", "/api/o/runs/:id/checkpoints"],
  ["/api/o/greet", "/api/o/:name"],
  ["/api/o/greet/status", "/api/o/:id/status"],
  ["/api/o/runs//events", "unmatched"],
  ["/api/o-else/runs", "unmatched"],
  ["/srv/runs/r1", "/srv/runs/:id"],
  ["/srv/metrics", "/srv/metrics"],
  ["/srv/greet", "unmatched"],
  ["/runs", "unmatched"],
])("%j is %j", (path, label) => {
  expect(routeLabel(path, { route: "/api/o", service: "/srv" })).toBe(label);
});

test("every path of the OpenAPI document has a pattern", async () => {
  const manifest = { workflows: [], inputs: {} };
  const document = await orchestratorDocument({ route, manifest, runners: [], serverUrl: "/" });
  const paths = Object.keys(document["paths"] as object);
  expect(paths.length).toBeGreaterThan(5);
  for (const path of paths) {
    const label = routeLabel(path.replaceAll(/\{\w+\}/g, "some"), { route, service: false });
    expect(label).not.toBe("unmatched");
  }
});

test("a route of nothing is the root", () => {
  const mount = { route: "", service: false } as const;
  const labels = ["/", "/greet", "/runs/r1/events"].map((path) => routeLabel(path, mount));
  expect(labels).toEqual(["/", "/:name", "/runs/:id/events"]);
});

test("methods that nobody uses are one", () => {
  expect(["GET", "DELETE", "get", "PROPFIND"].map(methodLabel)).toEqual([
    "GET",
    "DELETE",
    "other",
    "other",
  ]);
});
