import { expect, test } from "vitest";
import { isOrchestratorError } from "../../src/core/errors.ts";
import { serversFromRegions, validateServers } from "../../src/core/server-config.ts";

const server = { id: "a", url: "https://a.example/api/runner", region: "eu" };

function messageOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    expect(isOrchestratorError(error) && error.code).toBe("CONFIG_INVALID");
    return (error as Error).message;
  }
  throw new Error("nothing was thrown");
}

test.each([
  ["a list that is none", { a: server }, "p must be an array of servers (got [object Object])"],
  ["a server that is no object", ["a"], 'p[0] must be an object {id, url, region} (got "a")'],
  ["an empty id", [{ ...server, id: " " }], 'p[0].id must be a non-empty string (got " ")'],
  [
    "no region",
    [{ ...server, region: undefined }],
    "p[0].region must be a non-empty string (got undefined)",
  ],
  [
    "a relative url",
    [{ ...server, url: "foo" }],
    'p[0].url must be an absolute http(s) URL (got "foo")',
  ],
  [
    "another protocol",
    [{ ...server, url: "ftp://a" }],
    'p[0].url must be an absolute http(s) URL (got "ftp://a")',
  ],
  [
    "an undefined url",
    [{ ...server, url: undefined }],
    "p[0].url must be an absolute http(s) URL (got undefined)",
  ],
  ["a weight of 0", [{ ...server, weight: 0 }], "p[0].weight must be a number above 0 (got 0)"],
  [
    "a weight that is no number",
    [{ ...server, weight: "2" }],
    'p[0].weight must be a number above 0 (got "2")',
  ],
  [
    "a capacity of 0",
    [{ ...server, capacity: 0 }],
    "p[0].capacity must be an integer of at least 1 (got 0)",
  ],
  [
    "half a place",
    [{ ...server, capacity: 1.5 }],
    "p[0].capacity must be an integer of at least 1 (got 1.5)",
  ],
  ["an id given twice", [server, { ...server, region: "us" }], 'p[1].id must be unique (got "a")'],
])("refuses %s and names the path", (_, servers, message) => {
  expect(messageOf(() => validateServers(servers, "p"))).toBe(message);
});

test("never shows the credentials of a url it refuses", () => {
  const url = "https://user:secret@a.example";
  expect(messageOf(() => validateServers([{ ...server, url }]))).toBe(
    "servers[0].url must not contain credentials, a query or a fragment",
  );
});

test("keeps what the contract knows and refuses the rest", () => {
  const full = { ...server, weight: 2, capacity: 3 };
  expect(validateServers([full])).toEqual([full]);
  expect(messageOf(() => validateServers([{ ...full, other: true }]))).toBe(
    "servers[0].other is not known. A server is {id, url, region, weight?, capacity?}",
  );
});

test("a region's one server has the region's name", () => {
  expect(serversFromRegions('{"us-east-1":"http://a/r","eu":"http://b/r/"}')).toEqual([
    { id: "us-east-1", url: "http://a/r", region: "us-east-1" },
    { id: "eu", url: "http://b/r/", region: "eu" },
  ]);
});

test("a region's several servers are numbered", () => {
  expect(serversFromRegions('{"eu":["http://a","http://b"]}')).toEqual([
    { id: "eu-1", url: "http://a", region: "eu" },
    { id: "eu-2", url: "http://b", region: "eu" },
  ]);
});

test.each([undefined, "", "  "])("says that the variable is not set (%j)", (json) => {
  expect(messageOf(() => serversFromRegions(json))).toBe(
    "PLAYWRIGHT_RUNNERS environment variable is not set. Expected JSON object mapping regions to URLs.",
  );
});

test.each(["{", "[]", "null", '"http://a"'])(
  "refuses a variable that is no JSON object (%s)",
  (json) => {
    expect(messageOf(() => serversFromRegions(json))).toMatch(
      /^PLAYWRIGHT_RUNNERS environment variable is not valid\. Expected JSON object mapping regions to URLs\./,
    );
  },
);

test("names the region of a bad URL", () => {
  expect(messageOf(() => serversFromRegions('{"eu":["http://a","b"]}'))).toBe(
    'PLAYWRIGHT_RUNNERS["eu"][1] must be an absolute http(s) URL (got "b")',
  );
});

test("refuses regions whose server ids clash", () => {
  expect(messageOf(() => serversFromRegions('{"eu":["http://a"],"eu-1":"http://b"}'))).toMatch(
    /must be unique \(got "eu-1"\)$/,
  );
});
