/**
 * Stands in for the World while the engine's modules load, and keeps what they would have it deliver to.
 *
 * The engine asks a World for its queue handlers when its modules are evaluated, before anything of ours
 * can have run. Without this it makes a local World for that alone, and messages reach its handlers only
 * as HTTP requests; on Postgres it makes one whose connection ends the process when it breaks. Other Worlds are
 * the engine's to make. The function is sent as text, so it refers to nothing outside.
 */
export function standIn(): void {
  const target = process.env.WORKFLOW_TARGET_WORLD;
  if (target && target !== "@workflow/world-postgres") return;
  const slots = globalThis as Record<symbol, unknown>;
  const handlers = (slots[Symbol.for("@runners/orchestrator//queue-handlers")] ??=
    new Map()) as Map<string, unknown>;
  slots[Symbol.for("@workflow/world//stubbedCache")] ??= {
    createQueueHandler(prefix: string, handler: unknown) {
      handlers.set(prefix, handler);
      return async () => new Response(null, { status: 403 });
    },
  };
}
