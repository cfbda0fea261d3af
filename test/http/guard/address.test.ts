import { expect, test } from "vitest";
import { addressOf } from "../../../src/http/guard/address.ts";

function requestFrom(ip: string | undefined, forwarded?: string): Request {
  const headers: Record<string, string> =
    forwarded === undefined ? {} : { "x-forwarded-for": forwarded };
  return Object.assign(new Request("http://localhost/", { headers }), { ip });
}

test.each([
  ["192.0.2.1", "192.0.2.1"],
  ["::ffff:192.0.2.1", "192.0.2.1"],
  ["::1", "0:0:0:0::/64"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  // Another address of the same customer's.
  ["2001:0DB8:1:2::ffff", "2001:db8:1:2::/64"],
  ["fe80::1%eth0", "fe80:0:0:0::/64"],
  [undefined, "unknown"],
  ["a host", "unknown"],
])("%s is counted as %s", (ip, bucket) => {
  expect(addressOf(requestFrom(ip), 0)).toBe(bucket);
});

test.each([
  // Without a proxy anybody may write the header.
  [0, "198.51.100.1", "192.0.2.1"],
  [1, "198.51.100.1", "198.51.100.1"],
  [1, "203.0.113.9, 198.51.100.1", "198.51.100.1"],
  [2, "203.0.113.9, 198.51.100.1, 198.51.100.2", "198.51.100.1"],
  [2, "198.51.100.1", "198.51.100.1"],
  [1, "198.51.100.1:4711", "198.51.100.1"],
  [1, "[2001:db8::1]:4711", "2001:db8:0:0::/64"],
  [1, "2001:db8::1", "2001:db8:0:0::/64"],
  [1, "203.0.113.9, unknown", "192.0.2.1"],
  [1, "", "192.0.2.1"],
])("behind %i proxies, %j comes from %s", (hops, forwarded, bucket) => {
  expect(addressOf(requestFrom("192.0.2.1", forwarded), hops)).toBe(bucket);
});
