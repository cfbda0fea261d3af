import { docsAccess } from "./access.ts";
import { docsConsole } from "./console.ts";
import { docsDom } from "./dom.ts";
import { docsOperation } from "./operation.ts";
import { docsReply } from "./reply.ts";
import { docsSchema } from "./schema.ts";

/**
 * Script of the docs page: renders the document's operations. It is text and not a function turned
 * into text, so that no minifier can break it. Everything from the document goes in as text nodes,
 * never as markup.
 */
export const docsScript: string = String.raw`"use strict";
(function () {
${docsDom}${docsAccess}${docsSchema}${docsOperation}${docsReply}${docsConsole}
function runner(entry) {
  return h("article", { id: "runner-" + entry.name },
    h("h3", {}, entry.name),
    deref(entry.input).description && h("p", {}, prose(deref(entry.input).description)),
    entry.input ? shape(entry.input) : h("p", { class: "empty" }, "Takes any input."));
}

function fact(name, value) {
  return h("div", {}, h("dt", {}, name), h("dd", {}, h("code", {}, value)));
}

function link(id, text) { return h("li", {}, h("a", { href: "#" + encodeURIComponent(id) }, text)); }

function title(tag) { return tag["x-displayName"] || tag.name.charAt(0).toUpperCase() + tag.name.slice(1); }

/* The tags with their operations, in the document's order. */
function groupsOf(operations) {
  return (spec.tags || []).map(function (tag) {
    return { id: "tag-" + tag.name, title: title(tag), description: tag.description, operations: operations.filter(function (entry) { return (entry.op.tags || [])[0] === tag.name; }) };
  }).filter(function (group) { return group.operations.length; });
}

function contents(groups, runners) {
  var wide = matchMedia("(min-width: 861px)");
  var list = h("details", { class: "contents", open: wide.matches }, h("summary", {}, "Contents"),
    h("ul", {}, link("try", "Try it")),
    groups.map(function (group) {
      var main = group.operations.filter(function (entry) { return !entry.op["x-alias-of"]; });
      return [h("p", { class: "label" }, h("a", { href: "#" + group.id }, group.title)), h("ul", {}, main.map(function (entry) { return link(entry.id, entry.op.summary); }))];
    }),
    runners.length > 0 && [h("p", { class: "label" }, h("a", { href: "#runners" }, "Runner inputs")), h("ul", {}, runners.map(function (r) { return link("runner-" + r.name, r.name); }))]);
  wide.addEventListener("change", function () { list.open = wide.matches; });
  return h("nav", { "aria-label": "Contents" }, list);
}

function openAll() {
  var all = Array.prototype.slice.call(document.querySelectorAll("details.operation")), shut = all.some(function (node) { return !node.open; });
  all.forEach(function (node) { node.open = shut; });
}

/* A link carries no key, so that it is then to what has been fetched. */
function specLink() {
  var href = apiKey ? URL.createObjectURL(new Blob([JSON.stringify(spec, null, 2)], { type: "application/json" })) : base + "/spec.json";
  return h("a", { href: href, download: apiKey && "spec.json" }, "OpenAPI " + spec.openapi);
}

function heading(runners) {
  return h("header", {}, h("h1", {}, spec.info.title), h("p", { class: "lede" }, prose(spec.info.description)),
    h("dl", { class: "facts" }, fact("Base", location.origin + base), fact("Version", spec.info.version),
      Object.keys(page.facts || {}).map(function (name) { return fact(name, page.facts[name]); }),
      runners.length > 0 && fact("Runners", String(runners.length)),
      h("div", {}, h("dt", {}, "Spec"), h("dd", {}, specLink())),
      apiKey && h("div", {}, h("dt", {}, "API key"), h("dd", {}, h("button", { class: "plain", type: "button", id: "forget-key", onclick: forgetKey }, "Forget"))),
      h("div", {}, h("button", { class: "plain", type: "button", id: "open-all", onclick: openAll }, "Open or close all"))));
}

function featured(operations) {
  var entry = operations.filter(function (one) { return one.id === page.featured; })[0];
  return entry && h("section", { id: "try" }, h("h2", {}, "Try it"),
    h("p", {}, prose(entry.op.summary), ": ", h("code", {}, entry.method.toUpperCase() + " " + place(entry.path)), ", sent to this server."),
    consoleFor(entry, ""));
}

/* Opens and shows what the address points to. */
function reveal() {
  var target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  var operation = target.querySelector(":scope > details.operation");
  if (operation) operation.open = true;
  target.scrollIntoView();
}

function render() {
  var operations = operationsOf(spec), groups = groupsOf(operations), runners = spec["x-runners"] || [];
  document.title = spec.info.title;
  app.replaceChildren(
    contents(groups, runners),
    h("main", {}, heading(runners), featured(operations) || "",
      groups.map(function (group) {
        return h("section", { id: group.id }, h("h2", {}, group.title), group.description && h("p", {}, prose(group.description)), h("div", { class: "operations" }, group.operations.map(operation)));
      }),
      runners.length > 0 && h("section", { id: "runners" }, h("h2", {}, "Runner inputs"),
        h("p", {}, "What each takes as input, after the request’s own input and url are merged into it."), runners.map(runner))));
  addEventListener("hashchange", reveal);
  reveal();
}

load();
})();`;
