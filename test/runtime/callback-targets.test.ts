import { describe, expect, test } from "vitest";
import {
  type CallbackTargets,
  createCallbackTargets,
  type ResolveName,
} from "../../src/runtime/callback-targets.ts";

/** What a target is refused with; undefined where it is let through. */
function refusal(targets: CallbackTargets, url: string): string | undefined {
  try {
    targets.assertAllowed(url);
    return undefined;
  } catch (error) {
    expect(error).toMatchObject({
      code: "INPUT_VALIDATION_FAILED",
      data: { issues: [{ path: ["callback", "url"] }] },
    });
    return (error as Error).message;
  }
}

/** Those of these addresses that a URL may be connected to, when its name leads to all of them. */
async function connectable(
  allow: string[] | undefined,
  url: string,
  addresses: string[],
): Promise<string[]> {
  const resolve: ResolveName = (_name, _options, callback) =>
    callback(
      null,
      addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
    );
  const targets = createCallbackTargets(allow ? { allow } : {}, {}, resolve);
  return new Promise((settle) => {
    targets.lookup(url)("name", {}, (error, found) => {
      if (error) expect(error.message).toMatch(/^leads to no address that is allowed/);
      settle((found as { address: string }[]).map(({ address }) => address));
    });
  });
}

describe("without a list", () => {
  const targets = createCallbackTargets({}, {});

  test.each([
    "https://hooks.example.com/path?a=b",
    "http://hooks.example.com:8080",
    "https://8.8.8.8",
    "https://[2606:4700:4700::1111]/",
    "https://bücher.example",
    "https://100.63.255.255",
    "https://172.32.0.1",
    "https://localhost.example.com",
  ])("%s is let through", (url) => {
    expect(refusal(targets, url)).toBeUndefined();
  });

  test.each([
    "http://127.0.0.1",
    "http://127.1",
    "http://2130706433",
    "http://0x7f000001",
    "http://0x7f.0.0.1",
    "http://017700000001",
    "http://0177.0.0.01",
    "http://127.0.0.1.",
    "http://①②⑦.0.0.1",
    "http://127。0。0。1",
    "http://%31%32%37.0.0.1",
    "http://localhost",
    "http://LOCALHOST.:8080",
    "http://a.localhost",
    "http://0",
    "http://0.0.0.0",
    "http://10.1.2.3",
    "http://100.64.0.1",
    "http://169.254.169.254/latest/meta-data",
    "http://172.16.0.1",
    "http://172.31.255.255",
    "http://192.168.1.1",
    "http://192.0.2.1",
    "http://198.18.0.1",
    "http://224.0.0.1",
    "http://255.255.255.255",
    "http://[::]",
    "http://[::1]",
    "http://[0:0:0:0:0:0:0:1]",
    "http://[::ffff:127.0.0.1]",
    "http://[::ffff:7f00:1]",
    "http://[::ffff:8.8.8.8]",
    "http://[::127.0.0.1]",
    "http://[64:ff9b::127.0.0.1]",
    "http://[64:ff9b:1::a9fe:a9fe]",
    "http://[2002:7f00:1::]",
    "http://[2001::1]",
    "http://[2001:db8::1]",
    "http://[fc00::1]",
    "http://[fd12:3456::1]",
    "http://[fe80::1]",
    "http://[fec0::1]",
    "http://[ff02::1]",
    "http://[100::1]",
  ])("%s is refused", (url) => {
    expect(refusal(targets, url)).toMatch(
      /^callback\.url must not lead to a private or reserved address unless orchestrator\.callbacks\.allow or ORCHESTRATOR_CALLBACK_HOSTS lists it$/,
    );
  });

  test.each(["https://a:b@hooks.example.com", "https://a@hooks.example.com", "https://:b@x.test"])(
    "%s is refused for what it carries",
    (url) => {
      expect(refusal(targets, url)).toBe("callback.url must not carry a user or a password");
    },
  );

  test("another protocol is refused", () => {
    expect(refusal(targets, "ftp://hooks.example.com")).toMatch(
      /must be an absolute http\(s\) URL/,
    );
  });

  test("a name is connected to its public addresses alone", async () => {
    const url = "https://hooks.example.com";
    const all = ["8.8.8.8", "127.0.0.1", "10.0.0.1", "::1", "fe80::1%eth0", "::ffff:127.0.0.1"];
    expect(await connectable(undefined, url, all)).toEqual(["8.8.8.8"]);
    expect(await connectable(undefined, url, all.slice(1))).toEqual([]);
  });
});

describe("with a list", () => {
  const allow = ["Hooks.Example.com.", "*.Bücher.example", "a.test:8443", "*.b.test:80"];
  const targets = createCallbackTargets({ allow }, { ORCHESTRATOR_CALLBACK_HOSTS: "*.c.test" });

  test.each([
    "https://hooks.example.com",
    "http://hooks.example.com.:99",
    "https://x.xn--bcher-kva.example",
    "https://x.y.bücher.example",
    "https://a.test:8443",
    "http://x.b.test",
  ])("%s is let through", (url) => {
    expect(refusal(targets, url)).toBeUndefined();
  });

  test.each([
    "https://example.com",
    "https://x.hooks.example.com",
    "https://bücher.example",
    "https://xbücher.example",
    "https://a.test",
    "https://x.b.test",
    "https://x.c.test",
    "https://8.8.8.8",
    "http://127.0.0.1",
    "http://localhost",
  ])("%s is refused", (url) => {
    expect(refusal(targets, url)).toMatch(
      /^callback\.url must have a host that orchestrator\.callbacks\.allow or ORCHESTRATOR_CALLBACK_HOSTS lists \(got "/,
    );
  });

  test("an empty one lets nothing through, and an empty variable is none", () => {
    expect(refusal(createCallbackTargets({ allow: [] }, {}), "https://a.test")).toBeDefined();
    const none = createCallbackTargets({}, { ORCHESTRATOR_CALLBACK_HOSTS: " , " });
    expect(refusal(none, "https://a.test")).toBeUndefined();
  });

  test.each([
    ["127.0.0.1:8080", "http://127.1:8080", undefined],
    ["127.0.0.1:8080", "http://127.0.0.1", "refused"],
    ["0x7f.1", "http://127.0.0.1:99", undefined],
    ["[::1]:8080", "http://[0::1]:8080", undefined],
    ["::1", "http://[::1]", undefined],
    ["fd00::/8", "http://[fd12::1]", undefined],
    ["fd00::/8", "http://[fe80::1]", "refused"],
    ["10.0.0.0/8", "http://10.9.8.7", undefined],
    ["10.0.0.0/8", "http://11.0.0.1", "refused"],
    ["localhost", "http://localhost:3000", undefined],
    ["localhost", "http://127.0.0.1:3000", "refused"],
    // Where these lead is known when they are resolved.
    ["10.0.0.0/8", "http://hooks.internal", undefined],
    ["127.0.0.1:8080", "http://localhost:8080", undefined],
    ["127.0.0.1:8080", "http://hooks.internal", "refused"],
  ])("%s and %s: %s", (entry, url, expected) => {
    const message = refusal(createCallbackTargets({}, { ORCHESTRATOR_CALLBACK_HOSTS: entry }), url);
    expect(message === undefined ? undefined : "refused").toBe(expected);
  });

  const all = ["8.8.8.8", "127.0.0.1", "10.0.0.1", "::1"];
  test.each([
    ["a host that is named leads where it leads", ["hooks.test"], all],
    ["a wildcard to public addresses alone", ["*.test"], ["8.8.8.8"]],
    ["a network to its own", ["10.0.0.0/8", "::1"], ["10.0.0.1", "::1"]],
    ["a network beside a wildcard to both", ["*.test", "127.0.0.1"], ["8.8.8.8", "127.0.0.1"]],
    ["the name of another to none", ["other.test"], []],
  ])("%s", async (_, entries, expected) => {
    expect(await connectable(entries, "https://hooks.test", all)).toEqual(expected);
  });
});

test.each([
  "https://hooks.example.com",
  "hooks.example.com/path",
  "a b.example",
  "a@b.example",
  "*",
  "*.",
  "*.*.example",
  "a.*.example",
  "*.10.0.0.1",
  "a.example:0",
  "a.example:65536",
  "a.example:http",
  "0.0.0.0/0",
  "10.0.0.0/7",
  "10.0.0.0/33",
  "::/0",
  "fc00::/6",
  "300.0.0.1",
  "1.2.3.4.5",
  "a.example/8",
  "[::1",
  "",
  7,
])("the entry %j is refused with its path", (entry) => {
  const path = "orchestrator.callbacks.allow[1] must be a host such as";
  expect(() => createCallbackTargets({ allow: ["a.test", entry as string] }, {})).toThrow(path);
  if (typeof entry !== "string" || entry === "") return;
  const env = { ORCHESTRATOR_CALLBACK_HOSTS: `a.test, ${entry}` };
  expect(() => createCallbackTargets({}, env)).toThrow(
    "ORCHESTRATOR_CALLBACK_HOSTS: entry 2 must be a host such as",
  );
});
