/** The part of the docs page's script that sends an execute request and shows the reply. */
export const docsConsole: string = `
function tryIt(info) {
  var names = info.runners;
  var input = h("textarea", { id: "body", spellcheck: "false", autocomplete: "off", "aria-label": "Request body" });
  var send = h("button", { class: "send", type: "button", id: "send", onclick: submit }, "Send");
  var output = h("div", { id: "reply", "aria-live": "polite" }, h("div", { class: "bar" }, h("span", { class: "label" }, "Reply")), h("p", { class: "empty" }, "The reply will be here."));
  var chips = names.map(function (name) {
    return h("button", { class: "chip", type: "button", onclick: function () { toggle(name); } }, name);
  });
  input.value = JSON.stringify(info.usage.example, null, 2);
  input.addEventListener("input", press);
  input.addEventListener("keydown", function (event) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); submit(); }
  });
  press();

  function body() { try { return JSON.parse(input.value); } catch (error) { return undefined; } }
  function nameOf(entry) { return entry && typeof entry === "object" ? entry.name : entry; }
  function chosen() { var b = body(); b = b && b.json || b; return b && Array.isArray(b.runners) ? b.runners : []; }
  function press() {
    var on = chosen().map(nameOf);
    chips.forEach(function (chip, i) { chip.setAttribute("aria-pressed", String(on.indexOf(names[i]) >= 0)); });
  }
  function toggle(name) {
    var b = body();
    if (!b || typeof b !== "object") return;
    var list = chosen(), rest = list.filter(function (entry) { return nameOf(entry) !== name; });
    (b.json || b).runners = rest.length < list.length ? rest : list.concat(name);
    input.value = JSON.stringify(b, null, 2);
    press();
  }

  function submit() {
    if (send.disabled) return;
    var startedAt = performance.now();
    send.disabled = true;
    send.textContent = "Running…";
    fetch(base + "/execute", { method: "POST", headers: { "content-type": "application/json" }, body: input.value })
      .then(function (response) { return response.text().then(function (text) { show(response.status, text, performance.now() - startedAt); }); })
      .catch(function (error) { show(0, error.message, performance.now() - startedAt); })
      .finally(function () { send.disabled = false; send.textContent = "Send"; });
  }
  function show(status, text, ms) {
    var reply;
    try { reply = JSON.parse(text); } catch (error) { reply = text; }
    var inner = reply && reply.json || reply;
    output.replaceChildren(
      h("div", { class: "bar" }, h("span", { class: "label" }, "Reply"),
        h("span", {}, h("span", { class: "badge " + (status === 200 ? "good" : "bad"), id: "status" }, status || "no answer"), " ", h("span", { class: "time" }, Math.round(ms) + " ms"))),
      inner && Array.isArray(inner.results) && h("ul", { class: "results" }, inner.results.map(function (r) {
        return h("li", {}, h("span", { class: "badge " + ({ pass: "good", fail: "bad" }[r.status] || "warn") }, r.status), h("code", {}, r.name), h("span", { class: "time" }, r.durationMs + " ms"), r.errorMessage && h("span", { class: "why" }, r.errorMessage));
      })) || "",
      jsonBlock(reply));
  }

  return h("div", { class: "panel console" },
    h("div", {}, h("div", { class: "bar" }, h("span", { class: "label" }, "Request body"), send),
      h("div", { class: "chips", role: "group", "aria-label": "Runners" }, chips), input,
      h("p", { class: "hint" }, h("kbd", {}, "Ctrl"), " + ", h("kbd", {}, "Enter"), " sends it.")),
    output);
}
`;
