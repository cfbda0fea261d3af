/** `#orchestrator/virtual/engine`: the handlers of the engine's queue routes, which no route serves any more. */
export function engineTemplate(handlers: { flow: string; step: string }): string {
  return [
    `export { default as flow } from ${JSON.stringify(handlers.flow)};`,
    `export { default as step } from ${JSON.stringify(handlers.step)};`,
    "",
  ].join("\n");
}
