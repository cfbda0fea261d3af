/** The part of the docs page's script that shows JSON Schemas as lists of fields. */
export const docsSchema: string = String.raw`
function refName(schema) {
  var name = /^#\/components\/schemas\/([^/]+)$/.exec((schema && schema.$ref) || "");
  return name ? decodeURIComponent(name[1]) : "";
}

function choices(schema) { return schema.anyOf || schema.oneOf; }

/* What may be chosen, by a name or by its few fields. */
function choiceName(option, depth) {
  var o = deref(option), names = Object.keys(o.properties || {});
  if (o.title || refName(option)) return o.title || refName(option);
  return names.length > 0 && names.length < 4 ? "{" + names.join(", ") + "}" : typeName(option, depth);
}

/* A type in one line; those of objects by their names, where they have one. */
function typeName(schema, depth) {
  var s = deref(schema), deep = (depth || 0) + 1;
  if (deep > 6) return refName(schema) || "…";
  if (s.const !== undefined) return JSON.stringify(s.const);
  if (s.enum) return s.enum.map(function (v) { return JSON.stringify(v); }).join(" | ");
  if (choices(s)) {
    if (s.title) return s.title;
    return choices(s).map(function (o) { return choiceName(o, deep); }).join(" | ");
  }
  if (s.type === "array") {
    var item = s.items === undefined ? "any" : typeName(s.items, deep);
    return item.indexOf(" ") < 0 ? item + "[]" : "(" + item + ")[]";
  }
  if (s.properties && refName(schema)) return refName(schema);
  var type = Array.isArray(s.type) ? s.type.join(" | ") : s.type || "any";
  return s.format ? type + " (" + s.format + ")" : type;
}

var limits = {
  minLength: "length ≥ %s", maxLength: "length ≤ %s", minimum: "≥ %s", maximum: "≤ %s", exclusiveMinimum: "> %s",
  exclusiveMaximum: "< %s", minItems: "items ≥ %s", maxItems: "items ≤ %s", pattern: "matches %s",
};
function notes(s) {
  var list = Object.keys(limits).filter(function (key) { return s[key] !== undefined && Math.abs(s[key]) !== Number.MAX_SAFE_INTEGER; })
    .filter(function (key) { return key !== "pattern" || (!s.format && s.pattern.length < 60); })
    .map(function (key) { return limits[key].replace("%s", function () { return s[key]; }); });
  if (s.default !== undefined) list.push("default " + JSON.stringify(s.default));
  return list.join(" · ");
}

/* An object schema with what its allOf adds. */
function merged(schema) {
  var s = deref(schema);
  return (s.allOf || []).reduce(function (whole, part) {
    var p = merged(part);
    return Object.assign({}, p, whole, {
      properties: Object.assign({}, p.properties, whole.properties),
      required: (whole.required || []).concat(p.required || []),
    });
  }, s);
}

function isOpen(s) { return typeof s.additionalProperties === "object" && Object.keys(s.additionalProperties).length > 0; }

/* Whether there are fields to show, however far down arrays and choices they begin. */
function hasFields(schema, depth) {
  var s = merged(schema), deep = (depth || 0) + 1;
  if (deep > 6) return false;
  if (choices(s)) return choices(s).some(function (o) { return hasFields(o, deep); });
  if (s.type === "array" && s.items) return hasFields(s.items, deep);
  return Object.keys(s.properties || {}).length > 0 || isOpen(s);
}

function fieldRow(name, field, required, depth) {
  var f = deref(field), more = notes(f);
  return h("li", {},
    h("div", { class: "field" },
      h("span", { class: "name" }, name), h("span", { class: "type" }, typeName(field)),
      required && h("span", { class: "must" }, "required")),
    (field.description || f.description) && h("p", { class: "note" }, prose(field.description || f.description)),
    more && h("p", { class: "note" }, more),
    hasFields(field) && (depth < 1
      ? fields(field, depth + 1)
      /* A schema may hold itself: what is further down is made when it is asked for. */
      : folded({ class: "deeper" }, "its fields", function () { return fields(field, depth + 1); })));
}

/* The fields of an object, of an array's items, or of each that may be chosen; null where there are none. */
function fields(schema, depth) {
  var s = merged(schema);
  if (!hasFields(schema)) return null;
  if (choices(s)) {
    var options = choices(s).filter(function (o) { return hasFields(o); });
    return options.map(function (option, i) {
      var as = "as " + choiceName(option);
      /* Of many only the first is open: what comes after the list would be far away. */
      return h("div", { class: "option" }, i > 0 && options.length > 2
        ? folded({ class: "deeper" }, as, function () { return fields(option, depth); })
        : [h("p", { class: "as" }, as), fields(option, depth)]);
    });
  }
  if (s.type === "array") return fields(s.items, depth);
  var rows = Object.keys(s.properties || {}).map(function (name) {
    return fieldRow(name, s.properties[name], (s.required || []).indexOf(name) >= 0, depth);
  });
  if (isOpen(s)) rows.push(fieldRow("any other key", s.additionalProperties, false, depth));
  return h("ul", { class: "fields" }, rows);
}

/* A schema by its fields, or where it has none by its type. */
function shape(schema) {
  return fields(schema, 0) || h("p", { class: "field" }, h("span", { class: "type" }, typeName(schema)));
}

/* The schema of a body, without the envelope that it may also come in. */
function bare(content) {
  var schema = (content && content.schema) || {}, options = schema.anyOf || [];
  return options.length === 2 && /Envelope$/.test(options[1].title || "") ? options[0] : schema;
}
`;
