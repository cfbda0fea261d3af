import { createServer } from "node:http";
import { createOrchestratorHandler, toNodeListener } from "@runners/orchestrator/http";
import * as runners from "./runners.mjs";

const orchestrator = createOrchestratorHandler({ runners });

const server = createServer(toNodeListener(orchestrator));
server.listen(process.env.PORT ?? 3000, "127.0.0.1", () => {
  console.log(`Listening on http://127.0.0.1:${server.address().port}/`);
});

process.once("SIGTERM", async () => {
  await orchestrator.close();
  server.close(() => process.exit());
});
