/** The part of the docs page's script that shows one operation: parameters, body, responses. */
export const docsOperation: string = String.raw`
function examples(content) {
  var all = (content && content.examples) || {};
  return Object.keys(all).map(function (name) {
    var example = deref(all[name]);
    return h("figure", {}, h("figcaption", {}, example.summary || words(name)), jsonBlock(example.value));
  });
}

/* Every operation of the document, with its path and method. */
function operationsOf(document) {
  return Object.keys(document.paths).flatMap(function (path) {
    var item = document.paths[path];
    return Object.keys(item).filter(function (method) { return item[method].operationId; }).map(function (method) {
      var parameters = (item.parameters || []).concat(item[method].parameters || []).map(deref);
      return { path: path, method: method, op: item[method], id: item[method].operationId, parameters: parameters };
    });
  });
}

function parameterList(parameters) {
  return h("ul", { class: "fields" }, parameters.map(function (p) {
    var more = notes(deref(p.schema || {}));
    return h("li", {},
      h("div", { class: "field" },
        h("span", { class: "name" }, p.name), h("span", { class: "type" }, typeName(p.schema)), h("span", { class: "in" }, p.in),
        p.required && h("span", { class: "must" }, "required")),
      p.description && h("p", { class: "note" }, prose(p.description)),
      more && h("p", { class: "note" }, more));
  }));
}

function headerList(headers) {
  var names = Object.keys(headers || {});
  return names.length > 0 && h("ul", { class: "fields" }, names.map(function (name) {
    var header = deref(headers[name]);
    return h("li", {}, h("div", { class: "field" }, h("span", { class: "name" }, name), h("span", { class: "type" }, typeName(header.schema)), h("span", { class: "in" }, "header")),
      header.description && h("p", { class: "note" }, prose(header.description)));
  }));
}

function tone(status) { return status < 400 ? "good" : status < 500 ? "warn" : "bad"; }

function responseBlock(status, given) {
  var response = deref(given), types = Object.keys(response.content || {});
  return folded({}, [h("span", { class: "badge " + tone(status) }, status), h("span", {}, prose(response.description))], function () {
    return [headerList(response.headers)].concat(types.map(function (type) {
      var content = response.content[type], schema = content["x-item-schema"] || bare(content);
      return [h("p", { class: "hint" }, type + (refName(schema) ? " · " + refName(schema) : "")), fields(schema, 0), examples(content)];
    }), types.length ? [] : h("p", { class: "empty" }, "No body."));
  });
}

function operationBody(entry) {
  var op = entry.op, body = deref(op.requestBody), content = body.content && body.content["application/json"];
  var alias = op["x-alias-of"];
  return [
    op.description && h("p", { class: "about" }, prose(op.description)),
    alias && h("p", { class: "about" }, "Another path of ", h("a", { href: "#" + encodeURIComponent(alias) }, alias), "."),
    entry.parameters.length > 0 && block("Parameters", parameterList(entry.parameters)),
    content && block("Body", shape(bare(content)), folded({}, "Examples", function () { return examples(content); })),
    block("Responses", Object.keys(op.responses).map(function (status) { return responseBlock(status, op.responses[status]); })),
    block("Try it", consoleFor(entry, entry.id + "-")),
  ];
}

function operation(entry) {
  return h("article", { id: entry.id },
    folded({ class: "operation" }, [
      h("h3", {}, h("span", { class: "badge " + entry.method }, entry.method.toUpperCase()), place(entry.path)),
      entry.op["x-alias-of"] && h("span", { class: "badge" }, "alias"),
      h("span", { class: "summary" }, prose(entry.op.summary)),
    ], function () { return operationBody(entry); }));
}
`;
