import { bullmq } from "../peers/bullmq.mjs";
import { dbos, dbosClient } from "../peers/dbos.mjs";
import { engineLocal, enginePostgres, ours, oursPostgres } from "../peers/engine.mjs";
import { restate } from "../peers/restate.mjs";
import { quantile, table } from "../report.mjs";
import { ending, scoped } from "../scratch.mjs";

/**
 * An engine of the comparison:
 * - `title`, its column's heading;
 * - `prepare()` installs or builds it, once; answers with `{ about(), versions }`, or throws with the
 *   reason why it cannot be had here;
 * - `open()` starts a fresh one and answers with `{ run(workflow), close?() }`; `run` starts the
 *   workflow "two" or "fan" as the engine's clients do, and resolves with its result; `close` lets go
 *   of its connections, and what was started is ended after it.
 */
const peers = [ours, oursPostgres, engineLocal, enginePostgres, restate, dbos, dbosClient, bullmq];

/** What each workflow answers: 1 + 2, and 0 + 1 + … + 99. */
const answers = { two: 3, fan: 4950 };

/** A cell has its samples when it has all, or these many after this time; it is cut off in any case. */
const LEAST = 7;
const ENOUGH_MS = 15_000;
const CELL_MS = 60_000;
const WARM_UP_MS = 5000;

const rows = [
  {
    title: "two-step run, start to result at the client",
    budget: 10,
    warmUp: 20,
    samples: 50,
    take: (run) => run("two"),
  },
  {
    title: "200 such runs at once",
    budget: 1300,
    warmUp: 2,
    samples: 7,
    take: (run) => Promise.all(Array.from({ length: 200 }, () => run("two"))),
  },
  {
    title: "100 parallel raw steps in one workflow",
    budget: 220,
    warmUp: 3,
    samples: 9,
    take: (run) => run("fan"),
  },
];

/** The engines side by side, row by row, so that what disturbs the machine disturbs neighbours alike. */
export async function world({ quick }) {
  const prepared = [];
  for (const peer of peers) {
    console.log(`preparing ${peer.title}`);
    prepared.push({ peer, ...(await attempt(() => peer.prepare())) });
  }
  const lines = [];
  const verdicts = [];
  const notes = new Set();
  for (const row of rows) {
    const cells = [];
    for (const { peer, error } of prepared) {
      const cell = error
        ? { error }
        : await scoped(() => measure(peer, quick ? { ...row, warmUp: 1, samples: 2 } : row));
      if (cell.error) notes.add(`- ${peer.title}: ${message(cell.error)}`);
      console.log(`${row.title} | ${peer.title} | ${cellText(cell)}`);
      cells.push(cellText(cell));
      if (peer === ours) verdicts.push(verdict(row, cell));
    }
    lines.push([row.title, ...cells, `≤ ${duration(row.budget)}`]);
  }
  const able = prepared.filter(({ error }) => !error);
  return {
    text: [
      table(["what", ...peers.map(({ title }) => title), "budget"], lines),
      `Each cell is a median, with the fastest, the slowest and the number of samples, after a warm-up, on a fresh instance and store, from a client in a process of its own, all on loopback; it is cut off after ${CELL_MS / 1000} s.`,
      verdicts.map((line) => `- ${line}`).join("\n"),
      able.map(({ peer, value }) => `- **${peer.title}**: ${value.about()}.`).join("\n"),
      notes.size > 0 ? `Not measured:\n\n${[...notes].join("\n")}` : "",
    ]
      .filter(Boolean)
      .join("\n\n"),
    versions: Object.assign({}, ...able.map(({ value }) => value.versions)),
  };
}

/** One cell: samples in ms, and whether time ran out before all were taken. */
async function measure(peer, row) {
  const { value: session, error } = await attempt(() => peer.open());
  if (error) return { error };
  try {
    const run = async (name) => {
      const answer = await session.run(name);
      if (answer !== answers[name])
        throw new Error(`${name} answered ${JSON.stringify(answer)} for ${answers[name]}`);
    };
    const began = performance.now();
    for (let i = 0; i < row.warmUp && performance.now() - began < WARM_UP_MS; i++) {
      if (!(await within(CELL_MS, row.take(run)))) return { samples: [], cutOff: true };
    }
    const samples = [];
    const deadline = performance.now() + CELL_MS;
    const enough = () =>
      samples.length >= row.samples ||
      (samples.length >= LEAST && performance.now() - deadline + CELL_MS > ENOUGH_MS);
    while (!enough()) {
      const start = performance.now();
      if (!(await within(deadline - start, row.take(run)))) return { samples, cutOff: true };
      samples.push(performance.now() - start);
    }
    return { samples };
  } catch (error) {
    if (ending()) throw error;
    return { error };
  } finally {
    // A client may wait for ever for a server that hangs.
    await attempt(() => within(5000, Promise.resolve(session.close?.())));
  }
}

/** Whether the work was done in time; what comes of it later is nobody's concern. */
async function within(ms, work) {
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, Math.max(0, ms), false);
  });
  work.catch(() => undefined);
  try {
    return await Promise.race([work.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}

async function attempt(action) {
  try {
    return { value: await action() };
  } catch (error) {
    // Whatever was in the middle of something fails when the bench is stopped.
    if (ending()) throw error;
    return { error };
  }
}

function cellText({ samples, cutOff, error }) {
  if (error) return `n/a: ${message(error).slice(0, 80)}`;
  const end = `cut off at ${CELL_MS / 1000} s`;
  if (samples.length === 0) return `> ${CELL_MS / 1000} s, ${end}`;
  const range = `${duration(quantile(samples, 0))}–${duration(quantile(samples, 1))}`;
  return `${duration(quantile(samples))} (${range}; ${samples.length}${cutOff ? `, ${end}` : ""})`;
}

function verdict({ title, budget }, { samples, error }) {
  const subject = `Budget of ${duration(budget)} for "${title}"`;
  if (error || samples.length === 0) return `${subject}: **missed**, no sample.`;
  const median = quantile(samples);
  const share = `${(median / budget).toFixed(2)} of it`;
  return `${subject}: ${median <= budget ? "met" : "**missed**"} with ${duration(median)}, ${share}.`;
}

function duration(ms) {
  if (ms >= 1000) return `${(ms / 1000).toFixed(2)} s`;
  return ms >= 100 || Number.isInteger(ms) ? `${ms.toFixed(0)} ms` : `${ms.toFixed(1)} ms`;
}

/** The first line of an error, fit for a table, without the machine's addresses and paths. */
function message(error) {
  const text = error instanceof Error ? error.message : String(error);
  const code = error?.cause?.code;
  const line = text.split("\n")[0].replace(/:$/, "");
  return (code ? `${line} (${code})` : line)
    .replaceAll(/\w+:\/\/\S+|(?<!\w)\/[\w.@-]+\/\S*/g, "…")
    .replaceAll("|", "\\|");
}
