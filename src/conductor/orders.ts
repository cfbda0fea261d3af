import { createHash } from "node:crypto";

/** Characters of a region that stand in its queue's name: graphile-worker takes 128 of a queue and a task. */
const REGION = 100;

/** The task that executes orders of runners. */
export const ORDER = "order";

/** The queue of a region's orders, `""` for those that name none; no task of a user's is in one. */
export function queueOfRegion(region: string): string {
  if (region.length <= REGION) return `runners/${region}`;
  return `runners/${createHash("sha256").update(region).digest("hex")}`;
}
