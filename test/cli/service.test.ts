import { expect, test } from "vitest";
import { openDoors } from "../../src/cli/service.ts";

test.each(["0.0.0.0", "::", "192.168.1.5", "orchestrator.internal"])(
  "a service on %s without a key says that its doors are open",
  (host) => {
    expect(openDoors(host, {})).toContain(`Whoever reaches ${host} can start runs`);
    expect(openDoors(host, { ORCHESTRATOR_API_KEY: "k" })).toBeUndefined();
    expect(openDoors(host, { ORCHESTRATOR_API_KEYS: "[]" })).toBeUndefined();
  },
);

test.each(["127.0.0.1", "127.1.2.3", "::1", "localhost"])(
  "one on %s has nothing to say",
  (host) => {
    expect(openDoors(host, {})).toBeUndefined();
  },
);
