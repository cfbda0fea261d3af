/** What one runner's execution opened and must close, whether it passes, throws or times out. */
export interface Scope {
  /** Closes with the scope, last added first; at once when the scope is closed already. */
  defer(dispose: () => Promise<void>): void;
  /** Never rejects, and waits at most `closeLimit` milliseconds. Idempotent. */
  close(): Promise<void>;
}

// A registered symbol, so that two bundled copies of this package understand each other. It stays
// enumerable, so that an author's `{...ctx}` keeps it.
const slot: unique symbol = Symbol.for("@runners/orchestrator/runner-scope");

/** Opens a scope. `closeLimit` bounds how long a hanging disposer can hold up the reply. */
export function createScope(closeLimit = 5000): Scope {
  const disposers: (() => Promise<void>)[] = [];
  let closing: Promise<void> | undefined;
  return {
    defer(dispose) {
      // A runner that timed out while its browser was starting gets here after the end.
      if (closing) void quietly(dispose);
      else disposers.push(dispose);
    },
    close() {
      closing ??= within(closeLimit, disposeAll(disposers));
      return closing;
    },
  };
}

/** The context with the scope hidden on it. */
export function withScope<Context extends object>(ctx: Context, scope: Scope): Context {
  return { ...ctx, [slot]: scope };
}

/** The scope of a context that the executor made; absent on one made by hand. */
export function scopeOf(ctx: object): Scope | undefined {
  return (ctx as { [slot]?: Scope })[slot];
}

async function disposeAll(disposers: (() => Promise<void>)[]): Promise<void> {
  for (const dispose of disposers.splice(0).reverse()) await quietly(dispose);
}

/** A failed clean-up must not replace the runner's result, and there is nobody to tell. */
async function quietly(dispose: () => Promise<void>): Promise<void> {
  await Promise.resolve()
    .then(dispose)
    .catch(() => {});
}

async function within(limit: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limited = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, limit);
  });
  await Promise.race([work, limited]);
  clearTimeout(timer);
}
