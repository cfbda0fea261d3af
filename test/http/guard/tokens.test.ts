import { expect, test } from "vitest";
import { createKeyRing } from "../../../src/http/guard/keys.ts";
import { createEventTokens } from "../../../src/http/guard/tokens.ts";

const key = (text: string) => ({ name: text, key: text, scopes: ["read" as const] });
const ring = (...keys: string[]) => createKeyRing(keys.map(key));

test("a token is for one run, for ten minutes", () => {
  let now = Date.parse("2026-01-01T12:00:00.000Z");
  const tokens = createEventTokens(ring("a"), () => now);
  const { token, expiresAt } = tokens.issue("run-1");
  expect(expiresAt).toBe("2026-01-01T12:10:00.000Z");
  expect(token).toMatch(/^[\w.-]+$/);
  expect(tokens.verify(token, "run-1")).toBe(true);
  expect(tokens.verify(token, "run-2")).toBe(false);
  now += 10 * 60_000 - 1;
  expect(tokens.verify(token, "run-1")).toBe(true);
  now += 1;
  expect(tokens.verify(token, "run-1")).toBe(false);
});

test("no other text is a token", () => {
  const tokens = createEventTokens(ring("a"));
  const { token } = tokens.issue("1\nrun");
  const [expires, signature] = token.split(".") as [string, string];
  const later = `${Number(expires) + 1}.${signature}`;
  const first = signature.startsWith("A") ? "B" : "A";
  const forged = [later, `${expires}.${first}${signature.slice(1)}`, `${expires}.`, signature];
  for (const text of [...forged, "", ".", `${token}x`, ` ${token}`, `${expires}1.${signature}`]) {
    expect(tokens.verify(text, "1\nrun"), text).toBe(false);
  }
  // Nor may a part of one stand for a part of the other.
  expect(tokens.verify(`${expires}\n1.${signature}`, "run")).toBe(false);
});

test("every process with the same keys takes it, and none with others", () => {
  const { token } = createEventTokens(ring("a", "b")).issue("run");
  expect(createEventTokens(ring("b", "a")).verify(token, "run")).toBe(true);
  for (const others of [ring("a"), ring("a", "b", "c"), ring("a", "c"), undefined]) {
    expect(createEventTokens(others).verify(token, "run")).toBe(false);
  }
});

test("without keys it is this process's own", () => {
  const tokens = createEventTokens(undefined);
  const { token } = tokens.issue("run");
  expect(tokens.verify(token, "run")).toBe(true);
  expect(createEventTokens(undefined).verify(token, "run")).toBe(false);
});
