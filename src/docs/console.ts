/** The part of the docs page's script that sends an operation's request. */
export const docsConsole: string = String.raw`
/* The id of the run that was started last, for the parameters that ask for one. */
var lastRun = "";

function field(entry, p, prefix) {
  var schema = deref(p.schema), id = prefix + "param-" + p.name, set = schema.enum || (schema.type === "boolean" && ["true", "false"]);
  var example = p.example !== undefined ? p.example : schema.default;
  var props = { id: id, required: p.required, autocomplete: "off", spellcheck: "false", placeholder: p.required || example === undefined ? "" : "e.g. " + example };
  var input = set ? h("select", props, !p.required && h("option", { value: "" }, "—"), set.map(function (v) { return h("option", { value: v }, v); })) : h("input", props);
  if (p.required && p.example !== undefined) input.value = p.example;
  if (p.name === "id" || p.name === "runId") {
    input.dataset.run = input.value;
    if (lastRun) input.value = input.dataset.run = lastRun;
  }
  return { p: p, input: input, row: h("label", { class: "param", for: id }, h("span", { class: "name" }, p.name), h("span", { class: "in" }, p.in), input) };
}

/* Puts the id of a run that was just started where nobody has written another. */
function offerRun(runId) {
  lastRun = runId;
  document.querySelectorAll("[data-run]").forEach(function (input) {
    if (input.value === input.dataset.run) input.value = input.dataset.run = runId;
  });
}

/* What is asked for, from the parameters as they are filled in. */
function requestOf(entry, given) {
  var path = entry.path, query = new URLSearchParams(), headers = {};
  given.forEach(function (f) {
    var value = f.input.value;
    if (f.p.in === "path") path = path.replace("{" + f.p.name + "}", function () { return encodeURIComponent(value); });
    else if (value !== "" && f.p.in === "query") query.append(f.p.name, value);
    else if (value !== "" && f.p.in === "header") headers[f.p.name] = value;
  });
  return { url: place(path) + (String(query) && "?" + query), headers: headers };
}

/* A form for an operation: parameters, body, and what is answered. */
function consoleFor(entry, prefix) {
  var body = deref(entry.op.requestBody), content = body.content && body.content["application/json"];
  var all = (content && content.examples) || {}, names = Object.keys(all);
  var given = entry.parameters.map(function (p) { return field(entry, p, prefix); });
  var input = content && h("textarea", { id: prefix + "body", spellcheck: "false", autocomplete: "off", "aria-label": "Request body" });
  var send = h("button", { class: "send", type: "submit", id: prefix + "send" }, "Send");
  var output = h("div", { id: prefix + "reply", "aria-live": "polite" }, h("div", { class: "bar" }, h("span", { class: "label" }, "Reply")), h("p", { class: "empty" }, "The reply will be here."));
  var chips = input && runnerChips(input), running;
  var picker = names.length > 1 && h("select", { id: prefix + "example", "aria-label": "Example", onchange: function () { use(picker.value); } },
    names.map(function (name) { return h("option", { value: name }, deref(all[name]).summary || words(name)); }));

  function use(name) {
    if (!input) return;
    input.value = name === undefined ? "{}" : JSON.stringify(deref(all[name]).value, null, 2);
    input.dispatchEvent(new Event("input"));
  }

  function submit(event) {
    event.preventDefault();
    if (running) return;
    running = new AbortController();
    send.textContent = "Stop";
    var request = requestOf(entry, given), headers = withKey(request.headers);
    if (input) headers["content-type"] = "application/json";
    var options = { method: entry.method.toUpperCase(), headers: headers, signal: running.signal };
    if (input) options.body = input.value;
    fetchInto(output, prefix, request.url, options).finally(function () { running = undefined; send.textContent = "Send"; });
  }

  var form = h("form", { class: "panel console", onsubmit: submit },
    h("div", {}, h("div", { class: "bar" }, h("span", { class: "label" }, "Request"), picker, send),
      given.length > 0 && h("div", { class: "params" }, given.map(function (f) { return f.row; })),
      chips, input,
      input && h("p", { class: "hint" }, h("kbd", {}, "Ctrl"), " + ", h("kbd", {}, "Enter"), " sends it.")),
    output);
  send.addEventListener("click", function (event) {
    if (!running) return;
    event.preventDefault();
    running.abort();
  });
  if (input) input.addEventListener("keydown", function (event) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); form.requestSubmit(); }
  });
  use(names[0]);
  return form;
}

/* Buttons that put the server's runners into the body's list, and take them out. */
function runnerChips(input) {
  var names = (spec["x-runners"] || []).map(function (runner) { return runner.name; });
  var chips = names.map(function (name) {
    return h("button", { class: "chip", type: "button", onclick: function () { toggle(name); } }, name);
  });
  var group = h("div", { class: "chips", role: "group", "aria-label": "Runners" }, chips), pattern;
  input.addEventListener("input", press);

  function body() { try { return JSON.parse(input.value); } catch (error) { return undefined; } }
  function nameOf(entry) { return entry && typeof entry === "object" ? entry.name : entry; }
  function holder() { var b = body(); b = b && b.json || b; return b && Array.isArray(b.runners) ? b : undefined; }
  function press() {
    var found = holder(), on = found ? found.runners.map(nameOf) : [];
    group.hidden = !found || !names.length;
    if (found && found.runners.length) pattern = found.runners[0];
    chips.forEach(function (chip, i) { chip.setAttribute("aria-pressed", String(on.indexOf(names[i]) >= 0)); });
  }
  /* One that is put in is like the one before it, under its own name. */
  function toggle(name) {
    var b = body(), found = b && (b.json || b);
    if (!found || !Array.isArray(found.runners)) return;
    var rest = found.runners.filter(function (entry) { return nameOf(entry) !== name; });
    var added = pattern && typeof pattern === "object" ? Object.assign({}, pattern, { name: name }) : name;
    found.runners = rest.length < found.runners.length ? rest : found.runners.concat([added]);
    input.value = JSON.stringify(b, null, 2);
    press();
  }
  return group;
}
`;
