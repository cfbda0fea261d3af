import { describe, expect, test } from "vitest";
import { documentedManifest } from "../_support/documented-api.ts";
import { documentOf, everything, operationsOf, route, workflow } from "../_support/documents.ts";

describe("where the service stands at another path too", () => {
  test.each(["", "/service"])("its operations are there as aliases: %j", async (service) => {
    const { paths } = await documentOf(documentedManifest, route, [], { service });
    const operations = operationsOf({ paths });
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    const main = operations.filter(({ operation }) => operation.tags.includes("service"));
    const aliases = operations.filter(({ operation }) =>
      operation.operationId.endsWith("_service"),
    );
    expect(main).toHaveLength(11);
    expect(
      aliases.map(({ path, method, operation }) => [method, path, operation["x-alias-of"]]),
    ).toEqual(
      main.map(({ path, method, operation }) => [
        method,
        service + path.slice(route.length),
        operation.operationId,
      ]),
    );
    for (const { operation } of aliases) expect(operation.tags).toEqual(["aliases"]);
  });

  test("and as themselves where that is the API's own", async () => {
    const { paths } = await documentOf(documentedManifest, "", [], { service: "" });
    const ids = operationsOf({ paths }).map(({ operation }) => operation.operationId);
    expect(ids).toContain("createRun");
    expect(ids.filter((id) => id.endsWith("_service"))).toEqual([]);
  });
});

describe("keys and limits", () => {
  test("are told of only where there are any", async () => {
    const document = await documentOf();
    for (const { operation } of operationsOf(document)) {
      expect(operation).not.toHaveProperty("security");
      expect(Object.keys(operation.responses)).not.toEqual(expect.arrayContaining(["401"]));
      expect(Object.keys(operation.responses)).not.toEqual(expect.arrayContaining(["429"]));
      expect(JSON.stringify(operation)).not.toMatch(/scope|"name":"token"/);
    }
    expect(document.components).not.toHaveProperty("securitySchemes");
  });

  test("each operation says what it needs, and refuses who has it not", async () => {
    const guarded = await documentOf(documentedManifest, route, [], everything);
    expect(Object.keys(guarded.components.securitySchemes)).toEqual([
      "apiKey",
      "bearer",
      "eventToken",
    ]);
    const found = operationsOf(guarded).map(({ operation }) => {
      const { operationId, security, description, responses } = operation;
      const statuses = Object.keys(responses);
      const [scope] = security[0]?.apiKey ?? [];
      const refused = ["401", "403", "429"].filter((status) => statuses.includes(status));
      expect(refused, operationId).toEqual(scope ? ["401", "403", "429"] : []);
      expect(description).toContain(scope ? `the scope \`${scope}\`` : "Needs no key.");
      expect(security, operationId).toEqual([
        ...(scope ? [{ apiKey: [scope] }, { bearer: [scope] }] : []),
        ...(operationId.startsWith("streamRunEvents") ? [{ eventToken: [] }] : []),
      ]);
      return [operationId, scope];
    });
    expect(Object.fromEntries(found)).toMatchObject({
      createRun: "run",
      createRun_service: "run",
      listRuns: "read",
      cancelRun: "run",
      cancelRun_service: "run",
      addCheckpoint: "run",
      streamRunEvents: "read",
      streamRunEvents_service: "read",
      createEventToken: "read",
      planRun: "read",
      submitRun: "run",
      start_report: "run",
      getHealth: undefined,
      getReady_service: undefined,
      getMetrics: undefined,
    });
    const stream = guarded.paths[`${route}/runs/{id}/events`].get;
    expect(stream.parameters.at(-1)).toMatchObject({ name: "token", in: "query" });
  });

  test("are of a workflow called as a word of ours what its own are", async () => {
    const manifest = { workflows: [workflow("plan")], inputs: {} };
    const { paths } = await documentOf(manifest, route, [], everything);
    expect(paths[`${route}/plan`].post.security[0]).toEqual({ apiKey: ["run"] });
  });
});
