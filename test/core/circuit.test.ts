import { expect, test } from "vitest";
import { afterFailure, type Circuit, circuitState, closedCircuit } from "../../src/core/circuit.ts";

const config = { failures: 3, cooldown: 100 };

function failed(times: number, at = 0): Circuit {
  let circuit = closedCircuit;
  for (let n = 0; n < times; n += 1) circuit = afterFailure(circuit, at, config);
  return circuit;
}

test("fewer failures than the limit leave it closed", () => {
  expect(circuitState(failed(2), 0, config)).toBe("closed");
});

test("the last of so many failures in a row opens it", () => {
  expect(circuitState(failed(3), 0, config)).toBe("open");
});

test("it is open until the cool-down is over", () => {
  expect(circuitState(failed(3), 99, config)).toBe("open");
});

test("it is half-open after the cool-down", () => {
  expect(circuitState(failed(3), 100, config)).toBe("half-open");
});

test("a failure of the probe opens it for another cool-down", () => {
  const reopened = afterFailure(failed(3), 150, config);
  expect(circuitState(reopened, 249, config)).toBe("open");
  expect(circuitState(reopened, 250, config)).toBe("half-open");
});

test("a transition leaves the circuit it came from as it was", () => {
  afterFailure(closedCircuit, 0, config);
  expect(closedCircuit).toEqual({ failures: 0 });
});
