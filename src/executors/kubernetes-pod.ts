import type { Condition, ContainerStatus, Pod } from "./kubernetes-objects.ts";

/** What a pod's state says of the attempt. */
export type PodState =
  /** Its container has not begun; `reason` says why, where something is in the way. */
  | { type: "pending"; reason?: string }
  | { type: "running" }
  /** It is being ended, and may still say something until then. */
  | { type: "ending"; reason: string; grace: number }
  /** Its container has ended, or never will begin. */
  | { type: "ended"; reason: string; began: boolean };

/** Reasons of waiting that are the usual way to a start. */
const usual: ReadonlySet<string> = new Set(["ContainerCreating", "PodInitializing"]);

/** Reads what matters of a pod's status; `container` is the one that executes the order. */
export function podState(pod: Pod, container: string): PodState {
  const { status = {}, metadata } = pod;
  const own = status.containerStatuses?.find(({ name }) => name === container)?.state;
  const deleted = metadata.deletionTimestamp === undefined ? undefined : "the pod was deleted";
  const taken = disruption(status.conditions) ?? deleted;
  if (own?.terminated) {
    return { type: "ended", reason: taken ?? endOf(own.terminated, status), began: true };
  }
  const failed = status.phase === "Failed" || status.phase === "Succeeded";
  if (failed) {
    return {
      type: "ended",
      reason: taken ?? textOf(status) ?? `the pod is ${status.phase}`,
      began: own?.running !== undefined,
    };
  }
  if (metadata.deletionTimestamp !== undefined) {
    const grace = (metadata.deletionGracePeriodSeconds ?? 30) * 1000;
    return { type: "ending", reason: taken!, grace };
  }
  if (status.reason === "NodeLost") {
    return { type: "ending", reason: textOf(status) ?? "its node was lost", grace: 0 };
  }
  if (own?.running) return { type: "running" };
  const reason = obstacle(status.conditions, [
    ...(status.initContainerStatuses ?? []),
    ...(status.containerStatuses ?? []),
  ]);
  return { type: "pending", ...(reason !== undefined && { reason }) };
}

/** Why the pod is taken away, as the control plane says it. */
function disruption(conditions: readonly Condition[] = []): string | undefined {
  const found = conditions.find(
    ({ type, status }) => type === "DisruptionTarget" && status === "True",
  );
  return found && textOf(found);
}

/** What keeps a container from beginning. */
function obstacle(
  conditions: readonly Condition[] = [],
  containers: readonly ContainerStatus[],
): string | undefined {
  for (const { state } of containers) {
    const { waiting, terminated } = state ?? {};
    if (waiting?.reason !== undefined && !usual.has(waiting.reason)) return textOf(waiting);
    if (terminated && terminated.exitCode !== 0)
      return `an init container failed: ${textOf(terminated)}`;
  }
  const scheduled = conditions.find(({ type }) => type === "PodScheduled");
  return scheduled?.status === "False" ? textOf(scheduled) : undefined;
}

function endOf(
  {
    exitCode,
    signal,
    reason,
    message,
  }: NonNullable<NonNullable<ContainerStatus["state"]>["terminated"]>,
  pod: { reason?: string; message?: string },
): string {
  const how = signal ? `signal ${signal}` : `exit code ${exitCode}`;
  // `Error` and `Completed` say no more than the code does.
  const why =
    reason === "Error" || reason === "Completed" ? undefined : textOf({ reason, message });
  return `${why ?? textOf(pod) ?? "it ended without an answer"}, ${how}`;
}

function textOf({ reason, message }: { reason?: string; message?: string }): string | undefined {
  const text = [reason, message].filter(Boolean).join(": ");
  return text === "" ? undefined : text.slice(0, 500);
}
