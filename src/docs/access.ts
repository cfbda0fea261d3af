/** The part of the docs page's script that asks for an API key, keeps it, and sends it along. */
export const docsAccess: string = String.raw`
/* One name for each API of a server; the key is this tab's, and goes with it. */
var keyName = "api-key " + base, apiKey = "";
try { apiKey = sessionStorage.getItem(keyName) || ""; } catch (error) { /* Then it is asked for at each load. */ }

function useKey(key) {
  apiKey = key;
  try { if (key) sessionStorage.setItem(keyName, key); else sessionStorage.removeItem(keyName); } catch (error) { /* As above. */ }
}

function withKey(headers) {
  if (apiKey) headers.authorization = "Bearer " + apiKey;
  return headers;
}

/* What became of asking for the document: it, or why there is none, where another key could help. */
function fetchSpec() {
  return fetch(base + "/spec.json", { headers: withKey({}) }).then(function (response) {
    if (response.status === 401) return { refused: apiKey ? "This key is not taken." : "" };
    if (response.status === 403 && apiKey) return { refused: "This key may not read." };
    if (!response.ok) throw new Error("spec.json answered " + response.status);
    return response.json();
  });
}

/* The form for a key, until there is one with which the document is answered. */
function askForKey(refused) {
  var input = h("input", { id: "api-key", type: "password", required: true, autocomplete: "off", spellcheck: "false", "aria-describedby": "api-key-hint" });
  var note = h("p", { class: "refused", role: "alert" }, refused);
  var send = h("button", { class: "send", type: "submit" }, "Open");
  function submit(event) {
    event.preventDefault();
    var key = input.value.trim();
    /* Others could not be sent, and would be in the way at the next load. */
    if (!/^[\x21-\x7e]+$/.test(key)) { note.textContent = "A key has visible ASCII characters alone."; return; }
    send.disabled = true;
    useKey(key);
    load();
  }
  useKey("");
  app.replaceChildren(h("main", { class: "ask" }, h("form", { class: "panel", onsubmit: submit },
    h("h1", {}, document.title),
    h("label", { for: "api-key" }, "API key"), input,
    h("p", { class: "hint", id: "api-key-hint" }, "This server asks for one. It is kept in this tab until you close it, and sent to this server alone."),
    note, send)));
  input.focus();
}

function forgetKey() {
  useKey("");
  load();
}

function load() {
  fetchSpec().then(function (answer) {
    if (answer.refused !== undefined) { askForKey(answer.refused); return; }
    spec = answer;
    render();
  }).catch(function (error) {
    app.replaceChildren(h("p", { class: "state broken", role: "alert" }, "The specification could not be loaded: " + error.message));
  });
}
`;
