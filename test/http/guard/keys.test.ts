import { expect, test } from "vitest";
import {
  createKeyRing,
  credentialOf,
  parseApiKeys,
  parseApiKeysText,
} from "../../../src/http/guard/keys.ts";

const secret = "s3cret-never-shown";
const good = { name: "ci", key: secret, scopes: ["read", "run"] };

test("keys are taken as they are written", () => {
  const list = [good, { name: "ops.2", key: "another", scopes: ["admin", "admin"] }];
  expect(parseApiKeysText(JSON.stringify(list), "ORCHESTRATOR_API_KEYS")).toEqual([
    good,
    { name: "ops.2", key: "another", scopes: ["admin"] },
  ]);
});

test.each([
  [good, "keys must be a list of one or more {name, key, scopes}"],
  [[], "keys must be a list of one or more {name, key, scopes}"],
  [[secret], "keys[0] must be {name, key, scopes}"],
  [[good, null], "keys[1] must be {name, key, scopes}"],
  [[{ ...good, [secret]: 1 }], "keys[0] must have name, key and scopes alone"],
  [[{ ...good, name: secret.repeat(4) }], "keys[0].name must be 1 to 64 letters"],
  [[{ ...good, key: undefined }], "keys[0].key must be 1 to 512 visible ASCII characters"],
  [[{ ...good, key: `${secret} ` }], "keys[0].key must be 1 to 512 visible ASCII characters"],
  [[{ ...good, key: `${secret}ü` }], "keys[0].key must be 1 to 512 visible ASCII characters"],
  [[{ ...good, key: "" }], "keys[0].key must be 1 to 512 visible ASCII characters"],
  [[{ ...good, scopes: [] }], "keys[0].scopes must be a list of one or more of read, run, admin"],
  [[{ ...good, scopes: ["read", secret] }], "keys[0].scopes must be a list of one or more of"],
  [[good, { ...good, key: "b" }], 'keys[1].name is the name of another key too (got "ci")'],
  [[good, { ...good, name: "b" }], "keys[1].key is the same as that of another key"],
])("what is wrong is named, and no key with it: %#", (value, message) => {
  const refusal = refusalOf(() => parseApiKeys(value, "keys"));
  expect(refusal.message.startsWith(message), refusal.message).toBe(true);
  expect(refusal.message).not.toContain(secret);
});

test("JSON that cannot be read is not repeated", () => {
  // Node's own message would show where it went wrong.
  const refusal = refusalOf(() =>
    parseApiKeysText(`[{"key": ${secret}}]`, "ORCHESTRATOR_API_KEYS"),
  );
  expect(refusal.message).toBe(
    "ORCHESTRATOR_API_KEYS must be valid JSON: a list of {name, key, scopes}",
  );
});

test("a key is found by all of its characters alone", () => {
  const ring = createKeyRing(parseApiKeys([good, { ...good, name: "b", key: "b" }], "keys"));
  expect(ring.find(secret)).toMatchObject({ name: "ci", scopes: ["read", "run"] });
  expect(ring.find("b")?.name).toBe("b");
  for (const other of ["", secret.slice(0, -1), `${secret}x`, secret.toUpperCase(), "ci"]) {
    expect(ring.find(other), other).toBeUndefined();
  }
});

test.each([
  [{ authorization: "Bearer abc" }, "abc"],
  [{ authorization: "bearer   abc " }, "abc"],
  [{ "x-api-key": "abc" }, "abc"],
  // What is said in both ways is not mixed: the standard's own goes first.
  [{ authorization: "Bearer abc", "x-api-key": "def" }, "abc"],
  // What a proxy in front has asked for is none of ours.
  [{ authorization: "Basic YTpi", "x-api-key": "abc" }, "abc"],
  [{ authorization: "Basic YTpi" }, undefined],
  [{ authorization: "Bearer" }, ""],
  [{}, undefined],
])("%j carries %j", (headers, credential) => {
  expect(credentialOf(new Headers(headers as Record<string, string>))).toBe(credential);
});

function refusalOf(parse: () => unknown): Error {
  try {
    parse();
  } catch (error) {
    expect(error).toMatchObject({ code: "CONFIG_INVALID" });
    return error as Error;
  }
  throw new Error("was not refused");
}
