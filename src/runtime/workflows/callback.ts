import { callbackToken, type CallbackInput, type CallbackNews } from "../../core/callback.ts";
import { callStep } from "./calls.ts";
import { workflowEngine } from "./engine-slots.ts";

/**
 * The workflow `callback`: waits for a run's end and tells of it, as often as it takes. Callbacks under way
 * replay it after an upgrade, so the steps it calls and their order must stay as they are.
 */
export async function callback({ runId }: CallbackInput): Promise<void> {
  const { createHook, sleep } = workflowEngine("callback");
  const end = createHook<null>({ token: callbackToken(runId) });
  // The engine stores a hook before it executes a step: an end after the step has looked finds the hook.
  let news = await callStep<CallbackNews>("readCallback", [runId]);
  while (news === "going") {
    await end;
    news = await callStep<CallbackNews>("readCallback", [runId]);
  }
  end.dispose();
  if (news === "gone") return;
  for (let attempt = 1; ; attempt++) {
    const wait = await callStep<number | null>("deliverCallback", [news, attempt]);
    if (wait === null) return;
    await sleep(wait);
  }
}
