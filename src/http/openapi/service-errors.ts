import type { JsonObject, Manifest } from "../../types/index.ts";
import { replayOf } from "../events.ts";
import { endedOtherwise, modeBeside, otherMethod, runEnded, runNotFound } from "../routes/runs.ts";
import { unknownWorkflow } from "../routes/workflows.ts";
import { parseRunFilter } from "../run-request.ts";
import { actorOf, parseCheckpoint, takeExtras } from "../service-request.ts";
import { errorExamples, sharedErrors, thrownBy, workflowForm } from "./errors.ts";
import { wrongRequests } from "./run-errors.ts";

/** The errors of every path of a kind: those of its methods, of the server itself, and where it has an id of that. */
export async function pathErrors(
  methods: readonly string[],
  { id = false }: { id?: boolean } = {},
): Promise<JsonObject> {
  return {
    ...(id && { 404: await errorExamples(workflowForm, 404, { unknownRun: runNotFound() }) }),
    405: await errorExamples(workflowForm, 405, { otherMethod: otherMethod(methods) }),
    ...sharedErrors(workflowForm, [500]),
  };
}

/** The 400 of a list's query. */
export function wrongFilter(): Promise<JsonObject> {
  const refused = (query: Record<string, string>): unknown =>
    thrownBy(() => parseRunFilter(new URLSearchParams(query)));
  return errorExamples(workflowForm, 400, {
    wrongLimit: refused({ limit: "1000" }),
    wrongState: refused({ state: "done" }),
    wrongTime: refused({ since: "yesterday" }),
  });
}

/** The 400 of what is to be started. */
export function wrongStart(runner: string, manifest: Manifest): Promise<JsonObject> {
  return errorExamples(workflowForm, 400, {
    ...wrongRequests(runner),
    unknownWorkflow: unknownWorkflow("nope", manifest),
    modeOfOther: modeBeside("nope"),
    wrongMetadata: thrownBy(() => takeExtras({ metadata: "nightly" })),
    wrongCallback: thrownBy(() => takeExtras({ callback: { url: "/hooks/runs" } })),
    wrongActor: thrownBy(() => actorOf(new Headers({ "x-actor-id": "" }))),
  });
}

/** The 400 of a checkpoint. */
export function wrongCheckpoint(): Promise<JsonObject> {
  return errorExamples(workflowForm, 400, {
    wrongType: thrownBy(() => parseCheckpoint({ type: "" })),
    wrongField: thrownBy(() => parseCheckpoint({ type: "approved", by: "ada" })),
  });
}

/** The 409 of a checkpoint. */
export function lateCheckpoint(): Promise<JsonObject> {
  const description = "The run has ended and takes no more.";
  return errorExamples(workflowForm, 409, { runEnded: runEnded("completed") }, description);
}

/** The 409 of a cancel. */
export function lateCancel(): Promise<JsonObject> {
  const description = "The run has ended otherwise.";
  return errorExamples(workflowForm, 409, { ended: endedOtherwise("completed") }, description);
}

/** The 400 of a stream's query. */
export function wrongReplay(): Promise<JsonObject> {
  return errorExamples(workflowForm, 400, { wrongReplay: thrownBy(() => replayOf("101")) });
}
