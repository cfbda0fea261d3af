import { docsConsole } from "./docs-console.ts";

/**
 * Script of the docs page: renders the document's runners and operations. It is text and not a
 * function turned into text, so that no minifier can break it. Everything from the document goes
 * in as text nodes, never as markup.
 */
export const docsScript: string = `"use strict";
(function () {
var base = location.pathname.replace(/\\/docs\\/?$/, "");
var app = document.getElementById("app");
var spec;

function h(tag, props) {
  var node = document.createElement(tag);
  Object.keys(props || {}).forEach(function (key) {
    if (props[key] == null || props[key] === false) return;
    if (key.slice(0, 2) === "on") node.addEventListener(key.slice(2), props[key]);
    else node.setAttribute(key, props[key] === true ? "" : props[key]);
  });
  Array.prototype.slice.call(arguments, 2).flat(3).forEach(function (child) {
    if (child != null && child !== false) node.append(child);
  });
  return node;
}

/* Text in which backticks mark code. */
function prose(text) {
  return String(text || "").split("\`").map(function (part, i) { return i % 2 ? h("code", {}, part) : part; });
}

/* JSON in colours: strings, keys, and the other values. */
function jsonBlock(value) {
  var text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
  var pre = h("pre", { tabindex: "0" });
  var pattern = /("(?:[^"\\\\]|\\\\.)*")(\\s*:)?|\\b(?:true|false|null)\\b|-?\\d+(?:\\.\\d+)?(?:[eE][+-]?\\d+)?/g;
  var last = 0, match;
  while ((match = pattern.exec(text))) {
    pre.append(text.slice(last, match.index));
    pre.append(h("span", { class: match[1] ? (match[2] ? "k" : "s") : "n" }, match[1] || match[0]));
    if (match[2]) pre.append(match[2]);
    last = pattern.lastIndex;
  }
  pre.append(text.slice(last));
  return pre;
}

function deref(schema) {
  for (var i = 0; schema && schema.$ref && i < 20; i++) {
    var target = spec;
    decodeURIComponent(schema.$ref).slice(2).split("/").forEach(function (part) {
      target = target && target[part.replace(/~1/g, "/").replace(/~0/g, "~")];
    });
    schema = target;
  }
  return schema || {};
}

function refName(schema) {
  var name = /^#\\/components\\/schemas\\/([^/]+)$/.exec((schema && schema.$ref) || "");
  return name ? name[1] : "";
}

function typeName(schema) {
  var s = deref(schema);
  if (s.const !== undefined) return JSON.stringify(s.const);
  if (s.enum) return s.enum.map(function (v) { return JSON.stringify(v); }).join(" | ");
  var options = s.anyOf || s.oneOf;
  if (options && s.title) return s.title;
  if (options) return options.map(function (o) { return refName(o) || deref(o).title || typeName(o); }).join(" | ");
  if (s.type === "array") { var item = typeName(s.items || {}); return item.indexOf(" ") < 0 ? item + "[]" : "(" + item + ")[]"; }
  var type = Array.isArray(s.type) ? s.type.join(" | ") : s.type || "any";
  return s.format ? type + " (" + s.format + ")" : type;
}

var limits = { minLength: "length ≥ %s", maxLength: "length ≤ %s", minimum: "≥ %s", maximum: "≤ %s", exclusiveMinimum: "> %s", exclusiveMaximum: "< %s", minItems: "items ≥ %s", maxItems: "items ≤ %s", pattern: "matches %s" };
function notes(s) {
  var list = Object.keys(limits).filter(function (key) { return s[key] !== undefined && Math.abs(s[key]) !== Number.MAX_SAFE_INTEGER; })
    .map(function (key) { return limits[key].replace("%s", function () { return s[key]; }); });
  if (s.default !== undefined) list.push("default " + JSON.stringify(s.default));
  return list.join(" · ");
}

/* The fields of an object schema, and of what lies in it down to a depth that recursion cannot pass. */
function fields(schema, depth) {
  var s = deref(schema);
  if (s.type === "array") return fields(s.items || {}, depth);
  var names = Object.keys(s.properties || {});
  if (!names.length || depth > 4) return null;
  return h("ul", { class: "fields" }, names.map(function (name) {
    var field = s.properties[name], f = deref(field), more = notes(f);
    return h("li", {},
      h("div", { class: "field" },
        h("span", { class: "name" }, name), h("span", { class: "type" }, typeName(field)),
        (s.required || []).indexOf(name) >= 0 && h("span", { class: "must" }, "required")),
      f.description && h("p", { class: "note" }, prose(f.description)),
      more && h("p", { class: "note" }, more),
      fields(f, depth + 1));
  }));
}

/* The schema of a body, without the envelope that it may also come in. */
function bare(content) {
  var schema = (content && content.schema) || {};
  return schema.anyOf ? schema.anyOf[0] : schema;
}

function block(label) {
  return h("div", { class: "block" }, h("p", { class: "label" }, label), Array.prototype.slice.call(arguments, 1));
}

function examples(content) {
  return Object.keys((content && content.examples) || {}).map(function (name) {
    return h("figure", {}, h("figcaption", {}, name.replace(/([A-Z])/g, " $1").toLowerCase()), jsonBlock(content.examples[name].value));
  });
}

function responseBlock(status, response) {
  var type = Object.keys(response.content || {})[0], content = type && response.content[type];
  return h("details", {},
    h("summary", {}, h("span", { class: "badge " + (status < 400 ? "good" : status < 500 ? "warn" : "bad") }, status), h("span", {}, prose(response.description))),
    h("div", { class: "body" },
      h("p", { class: "hint" }, type + (refName(bare(content)) ? " · " + refName(bare(content)) : "")),
      fields(bare(content), 0), examples(content)));
}

function operation(path, method, op) {
  var body = op.requestBody && op.requestBody.content["application/json"];
  return h("article", { id: op.operationId },
    h("h3", {}, h("span", { class: "badge " + method }, method.toUpperCase()), base + path),
    h("p", {}, prose(op.summary + ". " + (op.description || ""))),
    op.parameters && block("Headers", h("ul", { class: "fields" }, op.parameters.map(function (p) {
      return h("li", {}, h("div", { class: "field" }, h("span", { class: "name" }, p.name), h("span", { class: "type" }, typeName(p.schema))), h("p", { class: "note" }, prose(p.description)));
    }))),
    body && block("Body", fields(bare(body), 0), h("details", {}, h("summary", {}, "Examples"), h("div", { class: "body" }, examples(body)))),
    block("Responses", Object.keys(op.responses).map(function (status) { return responseBlock(status, op.responses[status]); })));
}

function runner(entry) {
  return h("article", { id: "runner-" + entry.name },
    h("h3", {}, entry.name),
    deref(entry.input).description && h("p", {}, prose(deref(entry.input).description)),
    entry.input ? fields(entry.input, 0) || h("p", { class: "empty" }, typeName(entry.input)) : h("p", { class: "empty" }, "Takes any input."));
}

function fact(name, value) {
  return h("div", {}, h("dt", {}, name), h("dd", {}, h("code", {}, value)));
}

function link(id, text) { return h("li", {}, h("a", { href: "#" + encodeURIComponent(id) }, text)); }
${docsConsole}
function render(info) {
  var runners = spec["x-runners"] || [], operations = [];
  Object.keys(spec.paths).forEach(function (path) {
    Object.keys(spec.paths[path]).forEach(function (method) { operations.push([path, method, spec.paths[path][method]]); });
  });
  document.title = spec.info.title;
  app.replaceChildren(
    h("nav", { "aria-label": "Contents" },
      h("ul", {}, link("try", "Try it")),
      h("p", { class: "label" }, "Runners"), h("ul", {}, runners.map(function (r) { return link("runner-" + r.name, r.name); })),
      h("p", { class: "label" }, "Endpoints"), h("ul", {}, operations.map(function (o) { return link(o[2].operationId, o[2].summary); }))),
    h("main", {},
      h("header", {}, h("h1", {}, spec.info.title), h("p", { class: "lede" }, prose(spec.info.description)),
        h("dl", { class: "facts" }, fact("Base", location.origin + base), info.region && fact("Region", info.region), fact("Runners", String(runners.length)),
          h("div", {}, h("dt", {}, "Spec"), h("dd", {}, h("a", { href: base + "/spec.json" }, "OpenAPI " + spec.openapi))))),
      h("section", { id: "try" }, h("h2", {}, "Try it"), h("p", {}, "Runs the checks on this server, now."), tryIt(info)),
      h("section", { id: "runners" }, h("h2", {}, "Runners"),
        h("p", {}, runners.length ? "What each takes as input, after the request’s own input and url are merged into it." : "This server has no runners yet."), runners.map(runner)),
      h("section", { id: "endpoints" }, h("h2", {}, "Endpoints"), operations.map(function (o) { return operation(o[0], o[1], o[2]); }))));
  if (location.hash) { var target = document.getElementById(decodeURIComponent(location.hash.slice(1))); if (target) target.scrollIntoView(); }
}

fetch(base + "/spec.json").then(function (response) {
  if (!response.ok) throw new Error("spec.json answered " + response.status);
  return response.json();
}).then(function (document) {
  spec = document;
  render(document.paths["/info"].get.responses[200].content["application/json"].examples.info.value);
}).catch(function (error) {
  app.replaceChildren(h("p", { class: "state broken", role: "alert" }, "The specification could not be loaded: " + error.message));
});
})();`;
