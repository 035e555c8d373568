// Builds DOM nodes. Text is always text: nothing from a record is ever parsed as HTML.
const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export function element(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function drawing(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

export function setText(id, text) {
  const node = document.getElementById(id);
  if (node.textContent !== text) node.textContent = text;
}

// A JSON value as coloured, indented nodes.
export function json(value) {
  const out = element("pre", { class: "json", tabindex: "0", "aria-label": "JSON" });
  const text = JSON.stringify(value, null, 2);
  const token = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(?:true|false|null)\b|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?/gi;
  let at = 0;
  for (const match of text.matchAll(token)) {
    out.append(text.slice(at, match.index));
    const [whole, string, colon] = match;
    if (string && colon) out.append(element("span", { class: "key" }, string), colon);
    else out.append(element("span", { class: string ? "string" : "literal" }, whole));
    at = match.index + whole.length;
  }
  out.append(text.slice(at));
  return out;
}

export function failure(problem) {
  return element("div", { class: "failure", role: "alert" },
    element("strong", {}, problem.title), element("span", {}, problem.detail));
}
