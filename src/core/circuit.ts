import type { CircuitConfig } from "../types/config.ts";
import type { CircuitState } from "../types/server.ts";

/** What a circuit remembers. Whether it is open or half-open follows from the clock. */
export interface Circuit {
  /** Failures in a row. */
  readonly failures: number;
  /** Epoch milliseconds of the failure that opened it; absent while it is closed. */
  readonly openedAt?: number;
}

/** The circuit of a server of which nothing bad is known; also what any success leads to. */
export const closedCircuit: Circuit = { failures: 0 };

/** The circuit after a failure: opened by the last of `failures` in a row, and anew by each that follows. */
export function afterFailure(
  circuit: Circuit,
  now: number,
  { failures }: Required<CircuitConfig>,
): Circuit {
  const inARow = circuit.failures + 1;
  return inARow >= failures ? { failures: inARow, openedAt: now } : { failures: inARow };
}

/** What a circuit lets through now; `half-open` means one probe at a time, which the dispatcher sees to. */
export function circuitState(
  circuit: Circuit,
  now: number,
  { cooldown }: Required<CircuitConfig>,
): CircuitState {
  if (circuit.openedAt === undefined) return "closed";
  return now < circuit.openedAt + cooldown ? "open" : "half-open";
}
