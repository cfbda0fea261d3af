/** The part of the docs page's script that shows what was answered. */
export const docsReply: string = String.raw`
/* More than this of a body is not shown: the page would stand still. */
var mostShown = 200000;
var headersShown = ["content-type", "location", "allow", "retry-after", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "x-request-id", "content-length"];

/* Sends a request and shows the answer, one that streams as it comes. */
function fetchInto(output, prefix, url, options) {
  var startedAt = performance.now(), response, text = "";
  function time() { return Math.round(performance.now() - startedAt) + " ms"; }
  function show(status, body, note) {
    var headers = response ? headersShown.filter(function (name) { return response.headers.has(name); }) : [];
    output.replaceChildren(
      h("div", { class: "bar" }, h("span", { class: "label" }, "Reply"),
        h("span", {}, h("span", { class: "badge " + (status && status < 400 ? "good" : "bad"), id: prefix + "status" }, status || "no answer"), " ", h("span", { class: "time" }, time()))),
      h("p", { class: "hint asked" }, options.method + " " + url),
      note ? h("p", { class: "hint" }, note) : "",
      headers.length ? h("dl", { class: "headers" }, headers.map(function (name) { return headerRow(name, response.headers.get(name)); })) : "",
      outcomes(body) || "",
      body === "" ? h("p", { class: "empty" }, "No body.") : jsonBlock(body));
  }
  return fetch(url, options).then(function (answer) {
    response = answer;
    var streams = /event-stream/.test(answer.headers.get("content-type") || "");
    var reader = answer.body && answer.body.getReader(), decoder = new TextDecoder();
    return reader ? next() : done();
    function next() {
      return reader.read().then(function (part) {
        if (part.done) return done();
        text += decoder.decode(part.value, { stream: true });
        if (streams) show(answer.status, text.slice(-mostShown), "Streaming…");
        return next();
      });
    }
    function done() {
      var reply = text;
      try { if (/json/.test(answer.headers.get("content-type") || "")) reply = JSON.parse(text); } catch (error) { /* Shown as it came. */ }
      var cut = text.length > mostShown;
      show(answer.status, cut ? text.slice(0, mostShown) : reply, cut && "The first " + mostShown + " of " + text.length + " characters.");
      var inner = reply && reply.json || reply;
      if (answer.ok && inner && typeof inner.runId === "string") offerRun(inner.runId);
    }
  }).catch(function (error) {
    if (response) show(response.status, text.slice(-mostShown), error.name === "AbortError" ? "Stopped." : error.message);
    else show(0, error.name === "AbortError" ? "Stopped before there was an answer." : error.message);
  });
}

function headerRow(name, value) {
  var here = name === "location" && value.charAt(0) === "/";
  return h("div", {}, h("dt", {}, name), h("dd", {}, here ? h("a", { href: value }, value) : value));
}

var tones = { pass: "good", completed: "good", fail: "bad", failed: "bad", timed_out: "bad" };

/* One line for each runner's result, or for each job of a run. */
function outcomes(reply) {
  var inner = reply && reply.json || reply || {}, results = inner.results, jobs = inner.jobs;
  var rows = Array.isArray(results) ? results.map(function (r) { return [r.status, r.name, r.durationMs, r.errorMessage]; })
    : Array.isArray(jobs) ? jobs.map(function (j) { return [j.state, [j.region, j.url].filter(Boolean).join(" ") || j.jobId, j.durationMs, j.error || j.waiting]; }) : [];
  return rows.length > 0 && h("ul", { class: "results" }, rows.map(function (row) {
    return h("li", {}, h("span", { class: "badge " + (tones[row[0]] || "warn") }, row[0]), h("code", {}, row[1]),
      row[2] !== undefined && h("span", { class: "time" }, row[2] + " ms"), row[3] && h("span", { class: "why" }, row[3]));
  }));
}
`;
