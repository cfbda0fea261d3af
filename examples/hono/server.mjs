import { serve } from "@hono/node-server";
import { getConnInfo } from "@hono/node-server/conninfo";
import { createOrchestratorHandler } from "@runners/orchestrator/http";
import { Hono } from "hono";
import * as runners from "./runners.mjs";

const orchestrator = createOrchestratorHandler({ runners });

const app = new Hono();
app.all("/api/orchestrator/*", (c) =>
  orchestrator({ request: c.req.raw, ip: getConnInfo(c).remote.address }),
);
app.get("/", (c) => c.text("A Hono app of your own"));

const port = Number(process.env.PORT ?? 3000);
const server = serve({ fetch: app.fetch, hostname: "127.0.0.1", port }, (info) => {
  console.log(`Listening on http://127.0.0.1:${info.port}/`);
});

process.once("SIGTERM", async () => {
  await orchestrator.close();
  server.close(() => process.exit());
});
