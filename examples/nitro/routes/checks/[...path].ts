import { createOrchestratorHandler } from "@runners/orchestrator";

// The app's own orchestrator, which is at /api/orchestrator already, below another path too.
const handler = createOrchestratorHandler({ route: "/checks" });

export default handler;
