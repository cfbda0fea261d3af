// A process that starts a run under a key, and is killed while the run is being stored.
import { createClaims } from "../../src/postgres/claims.ts";
import { assemblePostgresWorld } from "../../src/runtime/postgres-world.ts";
import { claimingStarts } from "../../src/runtime/starts.ts";

const { database, world } = assemblePostgresWorld({ WORKFLOW_POSTGRES_URL: process.argv[2]! });
const starts = claimingStarts(createClaims(database, () => world));
const outcome = await starts.start({
  workflowId: "workflow//./flow//flow",
  args: [1],
  idempotency: { key: process.argv[3]!, fingerprint: "same" },
});
console.log(outcome.kind);
process.exit(0);
