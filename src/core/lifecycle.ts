import { OrchestratorError } from "./errors.ts";

/** From creation to end, once. Where something is live, the state has it; `draining` may have nothing yet. */
export type Lifecycle<Live> =
  | { readonly state: "created" }
  | { readonly state: "starting" }
  | { readonly state: "running"; readonly live: Live }
  | { readonly state: "draining"; readonly live?: Live }
  | { readonly state: "stopped" };

/**
 * A start begins.
 *
 * @throws OrchestratorError `INVALID_STATE`, for a second one
 */
export function begin<Live>(from: Lifecycle<Live>): Lifecycle<Live> {
  if (from.state === "created") return { state: "starting" };
  const why = from.state === "stopped" ? "has stopped" : "was started before";
  throw new OrchestratorError(
    "INVALID_STATE",
    `The orchestrator ${why}: create another one with Orchestrator.create()`,
  );
}

/** A start is done; one that was told to stop meanwhile is to be taken down. */
export function started<Live>(from: Lifecycle<Live>, live: Live): Lifecycle<Live> {
  return from.state === "starting" ? { state: "running", live } : { state: "draining", live };
}

/** A start has failed, and may be tried again unless it was told to stop. */
export function failed<Live>(from: Lifecycle<Live>): Lifecycle<Live> {
  return { state: from.state === "starting" ? "created" : "stopped" };
}

/** It is told to stop: what never ran has stopped with that. */
export function drain<Live>(from: Lifecycle<Live>): Lifecycle<Live> {
  if (from.state === "created") return { state: "stopped" };
  if (from.state === "starting") return { state: "draining" };
  if (from.state === "running") return { state: "draining", live: from.live };
  return from;
}

/** Everything is let go of. */
export function ended<Live>(): Lifecycle<Live> {
  return { state: "stopped" };
}
