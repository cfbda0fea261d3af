/** Does things one after another under a key; those that may be done together are. */
export interface Groups<T, R> {
  /**
   * Does it when all that came before under the key has been done.
   *
   * @param joins what tells it apart from others that may be done together with it; absent when it is done alone
   */
  add(key: string, joins: string | undefined, item: T): Promise<R>;
}

/** The most that is done together. */
const MOST = 50;

interface Waiting<T, R> {
  joins: string | undefined;
  item: T;
  settle: (result: PromiseSettledResult<R>) => void;
}

/** Creates groups; `execute` answers with one result for each of its items, and never rejects. */
export function createGroups<T, R>(
  execute: (items: readonly T[]) => Promise<PromiseSettledResult<R>[]>,
): Groups<T, R> {
  const queues = new Map<string, Waiting<T, R>[]>();

  async function work(key: string, queue: Waiting<T, R>[]): Promise<void> {
    while (queue.length > 0) {
      const group = nextGroup(queue);
      const results = await execute(group.map(({ item }) => item));
      group.forEach(({ settle }, index) => settle(results[index]!));
    }
    queues.delete(key);
  }

  return {
    add: (key, joins, item) =>
      new Promise((resolve, reject) => {
        const settle = (result: PromiseSettledResult<R>): void =>
          result.status === "fulfilled" ? resolve(result.value) : reject(result.reason);
        const queue = queues.get(key);
        if (queue) return void queue.push({ joins, item, settle });
        const begun = [{ joins, item, settle }];
        queues.set(key, begun);
        void work(key, begun);
      }),
  };
}

/** Takes the first, and those right behind it that may be done together with it. */
function nextGroup<T, R>(queue: Waiting<T, R>[]): Waiting<T, R>[] {
  const group = [queue.shift()!];
  const joined = new Set([group[0]!.joins]);
  while (group[0]!.joins !== undefined && queue.length > 0 && group.length < MOST) {
    const { joins } = queue[0]!;
    if (joins === undefined || joined.has(joins)) break;
    joined.add(joins);
    group.push(queue.shift()!);
  }
  return group;
}
