import { expect, test } from "vitest";
import { isFromHere } from "../../../src/http/guard/local.ts";

function requestFrom(ip: unknown, url = "http://localhost/", headers = {}): Request {
  return Object.assign(new Request(url, { headers }), { ip });
}

test.each([
  ["127.0.0.1", "http://localhost:3000/", true],
  ["127.1.2.3", "http://127.0.0.1/", true],
  ["::1", "http://[::1]:3000/", true],
  ["::ffff:127.0.0.1", "http://localhost/", true],
  ["192.0.2.1", "http://localhost/", false],
  ["10.0.0.1", "http://localhost/", false],
  ["::ffff:192.0.2.1", "http://localhost/", false],
  ["1270.0.0.1", "http://localhost/", false],
  [undefined, "http://localhost/", false],
  // A name that somebody made lead here.
  ["127.0.0.1", "http://evil.example/", false],
  ["127.0.0.1", "http://localhost.evil.example/", false],
  ["127.0.0.1", "http://127.0.0.1.evil.example/", false],
])("from %s to %s: %s", (ip, url, expected) => {
  expect(isFromHere(requestFrom(ip, url))).toBe(expected);
});

test.each(["x-forwarded-for", "x-real-ip", "forwarded", "via", "origin"])(
  "what carries %s comes from elsewhere, or may",
  (name) => {
    expect(isFromHere(requestFrom("127.0.0.1", undefined, { [name]: "127.0.0.1" }))).toBe(false);
  },
);
