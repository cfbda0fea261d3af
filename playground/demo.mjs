import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { closeBrowser } from "@runners/orchestrator/runner";
import { whyNoBrowser } from "./demo/browser.mjs";
import { startFleet, victim } from "./demo/fleet.mjs";
import { countChecks, makeJobs, shortName } from "./demo/jobs.mjs";
import {
  matrixDifferences,
  matrixRequest,
  matrixSummary,
  matrixTable,
  runMatrix,
} from "./demo/matrix.mjs";
import { createProcesses } from "./demo/processes.mjs";
import { createProgress } from "./demo/progress.mjs";
import { differences, jobTable, movedJobs, regionTable } from "./demo/report.mjs";
import { post, request } from "./demo/request.mjs";
import { startSite } from "./demo/site.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const timeLimit = 120_000;
const say = (text = "") => process.stdout.write(`${text}\n`);

say("This demo sends checks of a small website through an orchestrator to three runner servers in");
say("two regions, kills one of the servers half-way, and verifies that every check still counts.");
say("Then it runs the same checks in every region at once, and shows who passed where.\n");

const processes = createProcesses();
const stopped = whenStopped();
const tempDir = await mkdtemp(join(tmpdir(), "orchestrator-demo-"));
// Browsers unpack and keep their profiles in the temporary folder, so they go with it.
Object.assign(process.env, { TMPDIR: tempDir, TEMP: tempDir, TMP: tempDir });
let site;
let exitCode = 1;
try {
  site = await startSite();
  exitCode = await Promise.race([runDemo(), stopped]);
} catch (error) {
  process.stderr.write(`\n✗ ${error instanceof Error ? error.message : error}\n`);
} finally {
  site?.close();
  await Promise.all([processes.stopAll(), closeBrowser()]);
  await rm(tempDir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}
process.exit(exitCode);

/** Builds, starts, runs and reports; answers with the exit code. */
async function runDemo() {
  const startedAt = performance.now();
  const noBrowser = await buildAndProbe();
  const jobs = makeJobs(site.url, { withBrowser: !noBrowser });
  const progress = createProgress(countChecks(jobs));
  const checks = [];
  let killed = false;
  let reported = false;

  const fleet = await startFleet({
    processes,
    entry: join(root, ".output/server/index.mjs"),
    tempDir,
    onCheck(check) {
      if (reported) return;
      checks.push(check);
      const begun = progress.count(check);
      const isSlow = check.url.pathname === "/slow";
      // The site holds slow pages until then, so the victim is killed in the middle of a check.
      if (killed || begun < countChecks(jobs) / 2 || check.server !== victim || !isSlow) return;
      killed = true;
      fleet.kill(victim);
      progress.say(`  ✂ killed ${victim} in the middle of a check`);
      site.release();
    },
  });
  say(`3. POST ${fleet.api}/orchestrateRunners`);
  say(`   ${jobs.length} jobs with ${countChecks(jobs)} checks, six jobs at a time\n`);
  const aggregate = await runWorkflow(fleet.api, jobs);
  progress.end();
  reported = true;
  const found = report(aggregate, jobs, checks);
  found.push(...(await runOverRegions(fleet.api, { withBrowser: !noBrowser })));
  return verdict(found, startedAt);
}

/** Runs each runner in each region and prints the matrix; answers with what is not as expected. */
async function runOverRegions(api, options) {
  const body = matrixRequest(site.url, options);
  say(`\n4. POST ${api}`);
  say(
    `   ${body.runners.length} runners in ${body.regions.length} regions; ${victim} is still dead, and nobody serves ${body.regions.at(-1)}\n`,
  );
  const results = await runMatrix(api, body);
  say(`${matrixTable(results, body)}\n\n${matrixSummary(results)}`);
  return matrixDifferences(results, body);
}

/** Builds the playground and meanwhile tries a browser; answers why there is none. */
async function buildAndProbe() {
  say("1. Building the playground (nitro build, about 20 s) …");
  const cli = join(root, "node_modules/nitro/dist/cli/index.mjs");
  const [noBrowser] = await Promise.all([
    whyNoBrowser(),
    processes.run("nitro build", [cli, "build"], { cwd: root }),
  ]);
  say("2. Starting the runner servers eu-1 and eu-2 (eu-west-1), us-1 (us-east-1), and the");
  say("   orchestrator, each a process of its own …");
  say(
    noBrowser
      ? `   Browser checks are skipped: ${noBrowser}`
      : "   A Chromium was found: browser checks are part of it.",
  );
  return noBrowser;
}

/** Starts the workflow over HTTP and polls until it has ended. */
async function runWorkflow(api, jobs) {
  const endpoint = `${api}/orchestrateRunners`;
  const { runId } = await post(endpoint, { jobs, options: { maxConcurrency: 6 } });
  for (;;) {
    const answer = await request(`${endpoint}?runId=${runId}&wait=20`);
    if (answer.status !== "running") return answer;
  }
}

/** Prints what came of the jobs; answers with what is not as expected. */
function report(aggregate, jobs, checks) {
  say(`\n${jobTable(aggregate, jobs)}\n\n${regionTable(aggregate)}\n`);
  for (const { url, server, region, attempts } of movedJobs(aggregate)) {
    const [{ server: first, error }] = attempts;
    say(`  ${shortName({ url })} of ${region} moved from ${first} to ${server} (${error.code})`);
  }
  return differences(aggregate, jobs, checks);
}

/** Prints the verdict; answers 0 only when every figure is as expected. */
function verdict(found, startedAt) {
  const seconds = Math.round((performance.now() - startedAt) / 1000);
  if (found.length > 0) {
    say(`\n✗ Not as expected (${seconds} s):\n${found.map((line) => `  - ${line}`).join("\n")}`);
    return 1;
  }
  say(
    `\n✓ Every figure is as expected: no job was lost, none ran in a wrong region (${seconds} s).`,
  );
  say(
    "  A failing check is a result, not a fault: the site has a broken page and one that hangs up.",
  );
  say("\nNext: npm run dev, then open http://localhost:3000");
  return 0;
}

/** Resolves with an exit code at a signal, rejects when the time is up or nobody reads the output. */
function whenStopped() {
  return new Promise((resolve, reject) => {
    for (const [signal, number] of Object.entries({ SIGHUP: 1, SIGINT: 2, SIGTERM: 15 })) {
      process.once(signal, () => resolve(128 + number));
    }
    process.stdout.once("error", reject);
    setTimeout(() => {
      reject(new Error(`The demo did not end within ${timeLimit / 1000} s`));
    }, timeLimit).unref();
  });
}
