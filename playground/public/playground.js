const api = "/api/orchestrator";
const $ = (id) => document.getElementById(id);
let selected;
let shown = "";

const job = (region) => ({
  url: location.origin,
  runners: ["httpStatusTest", { name: "titleTest", input: { title: "playground" } }],
  region,
});
/** Bodies to start from; any other workflow gets the jobs. */
const samples = {
  executeSingleRunner: { job: job("eu-west-1") },
  orchestrateRunners: {
    jobs: [job("eu-west-1"), job("us-east-1")],
    options: { maxConcurrency: 2 },
  },
};

function select(name) {
  selected = name;
  $("name").textContent = name ?? "…";
  $("send").disabled = !name;
  if (name) $("body").value = JSON.stringify(samples[name] ?? samples.orchestrateRunners, null, 2);
  markSelected();
}

function markSelected() {
  for (const button of $("workflows").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(button.dataset.name === selected));
  }
}

function workflowItem({ name, file, description }) {
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.name = name;
  button.append(
    Object.assign(document.createElement("strong"), { textContent: name }),
    Object.assign(document.createElement("span"), { textContent: description ?? file }),
  );
  button.addEventListener("click", () => select(name));
  const item = document.createElement("li");
  item.append(button);
  return item;
}

function quietItem(text) {
  return Object.assign(document.createElement("li"), { className: "quiet", textContent: text });
}

/** Shows the list as it is now; what the reader typed stays unless its workflow is gone. */
async function refresh() {
  try {
    const response = await fetch(api);
    const { workflows } = await response.json();
    const now = JSON.stringify(workflows);
    if (now === shown) return;
    shown = now;
    $("workflows").replaceChildren(
      ...(workflows.length > 0 ? workflows.map(workflowItem) : [quietItem("No workflows yet.")]),
    );
    const names = workflows.map(({ name }) => name);
    const first = names.includes("orchestrateRunners") ? "orchestrateRunners" : names[0];
    if (names.includes(selected)) markSelected();
    else select(first);
  } catch {
    shown = "";
    $("workflows").replaceChildren(quietItem("The server does not answer."));
  }
}

function show(text, className, answer = "") {
  $("outcome").hidden = false;
  Object.assign($("status"), { textContent: text, className });
  $("answer").hidden = answer === "";
  $("answer").textContent = answer;
}

/** Starts a run and polls: each poll waits up to 20 s for the run's end. */
async function start(event) {
  event.preventDefault();
  const endpoint = `${api}/${encodeURIComponent(selected)}`;
  const headers = { "content-type": "application/json" };
  $("send").disabled = true;
  try {
    const startedAt = performance.now();
    let response = await fetch(endpoint, { method: "POST", headers, body: $("body").value });
    let answer = await response.json();
    const { runId } = answer;
    if (response.ok) {
      show(`Running: ${runId}`, "");
      do {
        response = await fetch(`${endpoint}?runId=${runId}&wait=20`);
        answer = await response.json();
      } while (response.status === 202);
    }
    const took = `${((performance.now() - startedAt) / 1000).toFixed(2)} s`;
    const text = `${response.ok ? "Completed" : `Answered ${response.status}`} in ${took}`;
    show(text, response.ok ? "good" : "bad", JSON.stringify(answer, null, 2));
  } catch (error) {
    show(`Failed: ${error.message}`, "bad");
  } finally {
    $("send").disabled = !selected;
  }
}

$("form").addEventListener("submit", start);
$("body").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("form").requestSubmit();
});
await refresh();
setInterval(() => document.hidden || refresh(), 1000);
