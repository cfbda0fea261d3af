import { createServer } from "node:http";
import { toNodeListener } from "@runners/orchestrator/http";
import { createRunnerHandler, joinOrchestrator } from "@runners/orchestrator/runner";
import * as runners from "./runners.mjs";

const region = process.env.REGION ?? "eu-west-1";
const handler = createRunnerHandler({ runners, region });
let membership;

const server = createServer(toNodeListener(handler));
server.listen(process.env.PORT ?? 3001, "127.0.0.1", async () => {
  const { port } = server.address();
  membership = joinOrchestrator({
    orchestrator: process.env.ORCHESTRATOR ?? "http://127.0.0.1:3000/api/orchestrator",
    apiKey: process.env.ORCHESTRATOR_API_KEY,
    server: { url: `http://127.0.0.1:${port}/api/runner`, region, capacity: 4 },
    handler,
  });
  await membership.ready;
  console.log(`Listening on http://127.0.0.1:${port}/, and joined`);
});

process.once("SIGTERM", async () => {
  // It gets no more jobs, and ends when those it has have.
  await Promise.all([membership?.leave(), handler.drain()]);
  server.close(() => process.exit());
  server.closeAllConnections();
});
