import { describe, expect, test, vi } from "vitest";
import { jobName } from "../../src/executors/kubernetes-job.ts";
import type { Executor } from "../../src/types/executor.ts";
import {
  attemptOf,
  jobOf,
  kubernetesTests,
  linesOf,
  newFile,
  podOf,
  roleRules,
  until,
} from "./kubernetes-support.ts";

const { cluster, open } = kubernetesTests();

/** An attempt that is under way, and how to end it well. */
async function underWay(executor: Executor, hold = 1500) {
  const file = newFile();
  const attempt = attemptOf("counted", { input: { file, hold } });
  const reply = executor.execute(attempt);
  reply.catch(() => {});
  await podOf(cluster(), attempt);
  return { attempt, reply, file };
}

describe("one watch", () => {
  test("is shared by all attempts of a namespace, and ends when none is left", async () => {
    const executor = open({ regions: { a: { nodeSelector: { zone: "a" } } } });
    const attempts = ["", "a", "", "a"].map((region) =>
      attemptOf("ok", { server: { id: "kubernetes", url: "", region } }),
    );
    const asked = cluster().requests.length;
    const replies = Promise.all(attempts.map((attempt) => executor.execute(attempt)));
    await podOf(cluster(), attempts[0]!);
    expect(cluster().watches).toBe(2);
    expect(await replies).toHaveLength(4);
    const watches = cluster()
      .requests.slice(asked)
      .filter((line) => line.includes("watch=true"));
    expect(watches).toHaveLength(2);
    await executor.close!();
    await vi.waitFor(() => expect(cluster().watches).toBe(0));
  });

  test("that breaks goes on where it was", async () => {
    const { reply } = await underWay(open());
    const asked = cluster().requests.length;
    for (let breaks = 0; breaks < 3; breaks++) cluster().dropWatches();
    expect((await reply).results).toMatchObject([{ status: "pass" }]);
    const lists = cluster()
      .requests.slice(asked)
      .filter((line) => /GET .*\/pods\?/.test(line) && !line.includes("watch="));
    expect(lists).toEqual([]);
  });

  test("that is too long ago is listed anew, also where its pod has ended meanwhile", async () => {
    const { attempt, reply } = await underWay(open(), 300);
    // What happens between the break and the list is in no event.
    cluster().faults.push({ matches: /watch=true/, times: 4, status: 503 });
    cluster().dropWatches();
    await podOf(cluster(), attempt, ({ status }) => status.phase === "Succeeded");
    cluster().store.compact();
    expect((await reply).results).toMatchObject([{ status: "pass" }]);
    const { attempt: other, reply: later } = await underWay(open(), 600);
    cluster().faults.push({ matches: /watch=true/, times: 2, status: 410 });
    cluster().dropWatches();
    cluster().controllers.remove("jobs", jobOf(cluster(), other)!, "Background");
    cluster().store.compact();
    await expect(later).rejects.toMatchObject({ code: "WORKER_LOST" });
  });
});

describe("an API server that is away", () => {
  test("and comes back within the bounds is not noticed", async () => {
    const executor = open();
    const { reply, file } = await underWay(executor);
    await cluster().goAway();
    const meanwhile = executor.execute(attemptOf("ok"));
    await new Promise((resolve) => setTimeout(resolve, 300));
    await cluster().comeBack();
    expect((await reply).results).toMatchObject([{ status: "pass" }]);
    expect((await meanwhile).results).toMatchObject([{ status: "pass" }]);
    expect(linesOf(file)).toHaveLength(1);
  });

  test("for longer rejects, what is under way and what is new, and is asked again by the next attempt", async () => {
    const executor = open({ outage: 400 });
    const { reply } = await underWay(executor);
    await cluster().goAway();
    const away = { code: "SERVER_UNREACHABLE", retryable: true };
    await expect(reply).rejects.toMatchObject(away);
    await expect(executor.execute(attemptOf("ok"))).rejects.toMatchObject(away);
    await cluster().comeBack();
    expect((await executor.execute(attemptOf("ok"))).results).toMatchObject([{ status: "pass" }]);
  });

  test("fails now and then, and is asked again; what it answers 429 to, when it says", async () => {
    const executor = open();
    await executor.start!();
    cluster().faults.push(
      { matches: /^POST .*\/jobs/, times: 2, status: 500 },
      { matches: /^GET .*\/pods\?/, times: 2, status: 503 },
      { matches: /^GET .*\/log/, times: 2, status: 502 },
    );
    expect((await executor.execute(attemptOf("ok"))).results).toMatchObject([{ status: "pass" }]);
    const headers = { "retry-after": "2" };
    cluster().faults.push({ matches: /^POST .*\/jobs/, times: 1, status: 429, headers });
    const began = Date.now();
    const abort = new AbortController();
    const attempt = attemptOf("ok", { signal: abort.signal });
    const canceled = expect(executor.execute(attempt)).rejects.toThrow("enough");
    await until(cluster(), () => jobOf(cluster(), attempt) !== undefined);
    expect(Date.now() - began).toBeGreaterThanOrEqual(2000);
    abort.abort(new Error("enough"));
    await canceled;
  });

  test("may be slow to say that a Job was made, whose pod has ended by then", async () => {
    cluster().lateness.ms = 1200;
    try {
      const starting = Date.now();
      expect((await open().execute(attemptOf("ok"))).results).toMatchObject([{ status: "pass" }]);
      await expect(open({ image: "exits:1" }).execute(attemptOf("ok"))).rejects.toMatchObject({
        code: "WORKER_LOST",
      });
      expect(Date.now() - starting).toBeLessThan(10_000);
    } finally {
      cluster().lateness.ms = 0;
    }
  });

  test("is trusted by its certificate alone", async () => {
    const executor = open({ outage: 300, ca: undefined });
    await expect(executor.execute(attemptOf("ok"))).rejects.toMatchObject({
      code: "SERVER_UNREACHABLE",
      message: expect.stringContaining("self-signed certificate"),
    });
  });
});

describe("a refusal", () => {
  test("of credentials is told at the start, and of an attempt", async () => {
    const executor = open({ token: "another" });
    const refusal = {
      code: "SERVER_REJECTED",
      retryable: false,
      message: expect.stringMatching(/^Kubernetes does not know the credentials it was asked with/),
    };
    await expect(executor.start!()).rejects.toMatchObject(refusal);
    await expect(executor.execute(attemptOf("ok"))).rejects.toMatchObject(refusal);
    await expect(open().start!()).resolves.toBeUndefined();
  });

  test.for([
    ["create", "jobs", "batch"],
    ["watch", "pods", ""],
    ["list", "jobs", "batch"],
    ["get", "pods/log", ""],
    ["create", "secrets", ""],
  ] as const)("to %s %s names the permission that lacks", async ([verb, resource, group]) => {
    const { roles } = cluster();
    roles.set(
      "checks",
      roleRules().map((rule) =>
        rule.resources.includes(resource)
          ? { ...rule, verbs: rule.verbs.filter((one) => one !== verb) }
          : rule,
      ),
    );
    const attempt = attemptOf("ok", { input: { text: "x".repeat(40_000) } });
    await expect(open().execute(attempt)).rejects.toMatchObject({
      code: "SERVER_REJECTED",
      retryable: false,
      message: expect.stringMatching(
        new RegExp(
          `give its service account a Role with the verb "${verb === "list" ? "(list|watch)" : verb}" on "${resource}" of apiGroup "${group}"`,
        ),
      ),
    });
    roles.set("checks", roleRules());
    await until(cluster(), () => jobOf(cluster(), attempt) === undefined);
  });

  test("of a template says what Kubernetes says of it", async () => {
    const template = { spec: { containers: [{ name: "checks" }] } };
    await expect(open({ template }).execute(attemptOf("ok"))).rejects.toMatchObject({
      code: "SERVER_REJECTED",
      retryable: false,
      message: expect.stringContaining("spec.template.spec.containers[0].image: Required value"),
    });
  });

  test("by a quota is waited for", async () => {
    const executor = open();
    const { reply } = await underWay(executor, 100);
    cluster().quota.jobs = cluster().store.list("jobs", "checks").length;
    const waits = executor.execute(attemptOf("ok"));
    const fails = executor.execute(attemptOf("ok", { wait: 200 }));
    await expect(fails).rejects.toMatchObject({
      code: "NO_SERVER_AVAILABLE",
      retryable: true,
      message: expect.stringMatching(
        /^A quota of Kubernetes had no room within 200 ms: .*exceeded quota/,
      ),
    });
    await reply;
    delete cluster().quota.jobs;
    expect((await waits).results).toMatchObject([{ status: "pass" }]);
  });

  test("to make a pod says why there is none", async () => {
    cluster().plane.noPods =
      'pods "x" is forbidden: error looking up service account checks/runner: serviceaccount "runner" not found';
    const attempt = attemptOf("ok", { wait: 300 });
    await expect(open().execute(attempt)).rejects.toMatchObject({
      code: "NO_SERVER_AVAILABLE",
      message: expect.stringMatching(
        /within 300 ms.*: FailedCreate: .*serviceaccount "runner" not found$/,
      ),
    });
    delete cluster().plane.noPods;
  });
});

test("an attempt that is joined gets the Secret that whoever made its Job did not come to make", async () => {
  const attempt = attemptOf("ok", { input: { text: "x".repeat(40_000) } });
  cluster().faults.push({ matches: /^POST .*\/secrets/, times: 1, status: 422 });
  const fails = new AbortController();
  const first = open();
  const refused = first.execute({ ...attempt, signal: fails.signal });
  // Before the Job is deleted, as one is not whose orchestrator has died.
  cluster().faults.push({
    matches: new RegExp(`^DELETE .*/${jobName(attempt)}`),
    times: 1,
    status: 404,
  });
  await expect(refused).rejects.toMatchObject({ code: "SERVER_REJECTED" });
  expect(jobOf(cluster(), attempt)).toBeDefined();
  expect((await open().execute(attempt)).results).toMatchObject([{ status: "pass" }]);
});

test("the Role that is deployed allows what is asked, and nothing else", async () => {
  // All tests above were held to it.
  const allowed = roleRules().flatMap(({ apiGroups: [group], resources, verbs }) =>
    resources.flatMap((resource) => verbs.map((verb) => `${verb} ${group}/${resource}`)),
  );
  expect([...cluster().used].toSorted()).toEqual(allowed.toSorted());
});
