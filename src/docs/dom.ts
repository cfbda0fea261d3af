/** The part of the docs page's script that makes elements, and finds its way in the document. */
export const docsDom: string = String.raw`
var app = document.getElementById("app");
var page = JSON.parse(app.dataset.page);
/* Where the page is, also behind a proxy that strips a prefix: the document cannot know it. */
var base = location.pathname.replace(/\/docs\/?$/, "");
var spec;

function h(tag, props) {
  var node = document.createElement(tag);
  Object.keys(props || {}).forEach(function (key) {
    if (props[key] == null || props[key] === false) return;
    if (key.slice(0, 2) === "on") node.addEventListener(key.slice(2), props[key]);
    else node.setAttribute(key, props[key] === true ? "" : props[key]);
  });
  node.append.apply(node, Array.prototype.slice.call(arguments, 2).flat(4).filter(function (child) {
    return child != null && child !== false;
  }));
  return node;
}

/* A path of the document as it is to be asked for from here, also one beside the folder that the page is in. */
function place(path) {
  var mount = page.mount;
  if (path === mount || path.indexOf(mount + "/") === 0) return base + path.slice(mount.length) || "/";
  return (base.slice(-mount.length) === mount ? base.slice(0, -mount.length) : "") + path;
}

/* Text in which backticks mark code. */
function prose(text) {
  return String(text || "").split("\x60").map(function (part, i) { return i % 2 ? h("code", {}, part) : part; });
}

/* An element that is opened by its summary, and filled when it is opened for the first time. */
function folded(props, summary, fill) {
  var node = h("details", props, h("summary", {}, summary));
  node.addEventListener("toggle", function () {
    if (!node.open || node.children.length > 1) return;
    node.append(h("div", { class: "body" }, fill()));
  });
  return node;
}

/* JSON in colours: keys, strings, and the other values. */
function jsonBlock(value) {
  var text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
  var pre = h("pre", { tabindex: "0" });
  if (typeof value === "string") { pre.append(text); return pre; }
  var pattern = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(?:true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
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

/* What a $ref leads to, at most so many steps away. */
function deref(value) {
  for (var i = 0; value && value.$ref && i < 20; i++) {
    var target = spec;
    decodeURIComponent(value.$ref).slice(2).split("/").forEach(function (part) {
      target = target && target[part.replace(/~1/g, "/").replace(/~0/g, "~")];
    });
    value = target;
  }
  return value || {};
}

function block(label) {
  return h("div", { class: "block" }, h("p", { class: "label" }, label), Array.prototype.slice.call(arguments, 1));
}

/* The name of an example as words. */
function words(name) { return name.replace(/([A-Z])/g, " $1").toLowerCase(); }
`;
