/** The task that executes orders of runners. */
export const ORDER = "order";

/** The queue of a region's orders, `""` for those that name none; no task of a user's is in one. */
export function queueOfRegion(region: string): string {
  return `runners/${region}`;
}
