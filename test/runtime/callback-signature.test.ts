import { createHmac } from "node:crypto";
import { expect, test } from "vitest";
import { secretProblem, webhookSignature } from "../../src/runtime/callback-signature.ts";

test("signs as the example of the Standard Webhooks libraries is signed", () => {
  const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
  const signature = webhookSignature(
    secret,
    "msg_p5jXN8AQM9LWM0D4loKWxJek",
    1_614_265_330,
    '{"test": 2432232314}',
  );
  expect(signature).toBe("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
});

test("a text without the prefix is taken as its bytes", () => {
  const secret = "bücher, not base64";
  const key = Buffer.from(secret, "utf8");
  const digest = createHmac("sha256", key).update("msg_1.99.{}").digest("base64");
  expect(webhookSignature(secret, "msg_1", 99, "{}")).toBe(`v1,${digest}`);
});

test.each([
  ["a text of sixteen", undefined],
  ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", undefined],
  [`whsec_${Buffer.from("seventeen of them").toString("base64")}`, undefined],
  [`whsec_${Buffer.from("seventeen of them").toString("base64").replace(/=+$/, "")}`, undefined],
  ["too short", "must have 16 to 500 characters"],
  ["x".repeat(501), "must have 16 to 500 characters"],
  ["whsec_not*base64*at*all", "must be base64 after whsec_"],
])("%j %s", (secret, problem) => {
  expect(secretProblem(secret)).toBe(problem);
});
