/** Why the signal of a job that is handed back aborts. */
export const handedBack: unique symbol = Symbol("handed back");

/** Whether a job was handed back to the next start: whatever its execution came to then is not its end. */
export function isHandedBack(signal: AbortSignal): boolean {
  return signal.reason === handedBack;
}
