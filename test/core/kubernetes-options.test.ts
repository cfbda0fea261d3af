import { expect, test } from "vitest";
import { parseKubernetesOptions } from "../../src/core/kubernetes-options.ts";

const parse = (value: unknown) => parseKubernetesOptions(value, "at");

test("defaults are filled in, and the rest is kept", () => {
  const template = { spec: { containers: [{ name: "a" }] } };
  const regions = { eu: { namespace: "eu", nodeSelector: { "example.com/zone": "" } }, us: {} };
  expect(parse({ template, regions, labels: { "a.b/c": "D_1" }, ttl: 5 })).toEqual({
    template,
    regions,
    labels: { "a.b/c": "D_1" },
    ttl: 5,
    outage: 60_000,
  });
});

test.for([
  [undefined, "at must be an object"],
  [{}, "at must have an image or a template"],
  [{ token: "secret" }, "at must have an image or a template"],
  [{ image: "" }, "at.image must be a text that is not empty"],
  [{ image: "a", template: "b" }, "at.image cannot stand beside a template"],
  [{ template: 5 }, "at.template must be a Job, a PodTemplate or a Pod, or the path"],
  [{ template: " " }, "at.template must be"],
  [{ image: "a", imgae: "b" }, "at.imgae is not an option. Known: namespace, image"],
  [{ image: "a", namespace: "Checks" }, "at.namespace must be a namespace of small letters"],
  [{ image: "a", labels: { "a b": "c" } }, "at.labels must have names such as"],
  [{ image: "a", labels: { a: "-b" } }, "at.labels.a must be at most 63 letters"],
  [{ image: "a", labels: { a: 1 } }, "at.labels.a must be at most 63 letters"],
  [{ image: "a", ttl: 0 }, "at.ttl must be a whole number from 1"],
  [{ image: "a", outage: "1s" }, "at.outage must be a whole number from 1"],
  [{ image: "a", token: "secret" }, 'at.token needs a server beside it (got "…")'],
  [
    { image: "a", server: "https://k", token: ["secret"] },
    'at.token must be a text that is not empty (got "…")',
  ],
  [
    { image: "a", server: "ftp://user:secret@10.0.0.1" },
    "at.server must be a URL such as https://10.0.0.1:6443",
  ],
  [{ image: "a", server: "10.0.0.1" }, "at.server must be a URL such as"],
  [{ image: "a", server: "https://k", context: "c" }, "at.context cannot stand beside a server"],
  [{ image: "a", regions: [] }, "at.regions must be an object"],
  [{ image: "a", regions: { eu: { image: 5 } } }, "at.regions.eu.image must be a text"],
  [{ image: "a", regions: { eu: { zone: "a" } } }, "at.regions.eu.zone is not an option"],
  [
    { image: "a", regions: { eu: { nodeSelector: { a: "b c" } } } },
    "at.regions.eu.nodeSelector.a must be at most 63",
  ],
  [
    { image: "a", server: "https://k", regions: { eu: { context: "c" } } },
    "at.regions.eu.context cannot stand beside a server",
  ],
] as const)("%j: %s", ([value, message]) => {
  let said = "";
  try {
    parse(value);
  } catch (error) {
    said = (error as Error).message;
  }
  expect(said.startsWith(message), said).toBe(true);
  expect(said).not.toContain("secret");
});
