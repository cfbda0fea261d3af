import { createOrchestratorHandler, toNodeListener } from "@runners/orchestrator/http";
import express from "express";
import * as runners from "./runners.mjs";

const orchestrator = createOrchestratorHandler({ runners });

const app = express();
app.use(express.json());
app.use("/api/orchestrator", toNodeListener(orchestrator));
app.get("/", (_request, response) => void response.send("An Express app of your own"));

const server = app.listen(process.env.PORT ?? 3000, "127.0.0.1", () => {
  console.log(`Listening on http://127.0.0.1:${server.address().port}/`);
});

process.once("SIGTERM", async () => {
  await orchestrator.close();
  server.close(() => process.exit());
});
