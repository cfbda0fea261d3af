import { OrchestratorError } from "./errors.ts";

/**
 * Calls `fn` for every item, at most `concurrency` at a time, and starts the next one as soon as one
 * ends. The outcomes are in the items' order.
 *
 * @param concurrency an integer of at least 1, or `Infinity`
 * @throws OrchestratorError `CONFIG_INVALID` for any other concurrency
 */
export async function mapSettled<Item, Result>(
  items: readonly Item[],
  concurrency: number,
  fn: (item: Item, index: number) => Promise<Result> | Result,
): Promise<PromiseSettledResult<Result>[]> {
  if (!(concurrency === Infinity || (Number.isInteger(concurrency) && concurrency >= 1))) {
    throw new OrchestratorError(
      "CONFIG_INVALID",
      `concurrency must be an integer of at least 1, or Infinity (got ${String(concurrency)})`,
    );
  }
  const outcomes: PromiseSettledResult<Result>[] = [];
  const rest = items.entries();
  // All lanes draw from the one iterator, so a lane that is done takes whatever is next.
  const lane = async (): Promise<void> => {
    for (const [index, item] of rest) outcomes[index] = await settle(() => fn(item, index));
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, items.length) }, lane));
  return outcomes;
}

async function settle<Result>(
  fn: () => Promise<Result> | Result,
): Promise<PromiseSettledResult<Result>> {
  try {
    return { status: "fulfilled", value: await fn() };
  } catch (reason) {
    return { status: "rejected", reason };
  }
}
