/**
 * Does things in batches: those that come in one turn, or while a batch is under way, are the next one. Each
 * call resolves or rejects with its batch.
 */
export function createBatches<T>(
  execute: (items: T[]) => Promise<void>,
): (item: T) => Promise<void> {
  let items: T[] = [];
  let next: Promise<void> | undefined;
  let current: Promise<unknown> = Promise.resolve();

  async function run(): Promise<void> {
    await current;
    const batch = items;
    items = [];
    next = undefined;
    const execution = execute(batch);
    current = execution.catch(() => undefined);
    await execution;
  }

  return (item) => {
    items.push(item);
    next ??= new Promise<void>((resolve) => setImmediate(resolve)).then(run);
    return next;
  };
}
