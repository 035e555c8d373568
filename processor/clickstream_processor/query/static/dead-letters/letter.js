// One dead letter: a row, and below it all that is known of it, once it is opened.
import { getJson } from "../common/api.js";
import { element, failure } from "../common/element.js";
import { moment } from "../common/format.js";
import { block, safely, short, size } from "./bytes.js";

const SOURCES = { pod: "a pod", sink: "the search sink", collector: "a collector", unknown: "somebody else" };

const place = ({ topic, partition, offset }) => `${topic} / ${partition} / ${offset}`;

function when(ms) {
  const date = ms === null ? null : new Date(ms);
  const known = date && !Number.isNaN(date.valueOf());
  return element("time", { datetime: known ? date.toISOString() : null }, known ? moment(ms) : "no time");
}

// `hue`: of its reason; `onReason`: shows only letters of that reason.
export function row(letter, hue, onReason) {
  const panel = element("div", { class: "open", hidden: true });
  const button = element("button", { type: "button", "aria-expanded": "false" },
    when(letter.at_ms),
    element("span", { class: "why", "data-hue": hue }, element("span", { class: "swatch" }), element("span", {}, ...safely(letter.reason))),
    element("span", { class: "key mono", title: "Key" }, ...short(letter.key)),
    element("span", { class: "detail" }, ...safely(letter.detail)),
    element("span", { class: "size" }, letter.value === null ? "no value" : size(letter.original_size ?? letter.value.size)),
    element("span", { class: "turn", "aria-hidden": "true" }));
  button.addEventListener("click", () => {
    panel.hidden = !panel.hidden;
    button.setAttribute("aria-expanded", String(!panel.hidden));
    if (!panel.hidden && !panel.dataset.full) open(panel, letter, onReason);
  });
  return element("article", { class: "letter", "data-place": place(letter.place) }, button, panel);
}

async function open(panel, letter, onReason) {
  panel.replaceChildren(element("p", { class: "muted", role: "status" }, "Reading the letter…"));
  try {
    const { data } = await getJson(`api/letters/${letter.place.partition}/${letter.place.offset}`);
    panel.dataset.full = "1";
    panel.replaceChildren(...contents(data, onReason));
  } catch (problem) {
    panel.replaceChildren(failure(problem));
  }
}

function contents(letter, onReason) {
  const reason = element("button", { type: "button", onclick: () => onReason(letter.reason) }, "Only letters with this reason");
  return [
    element("section", {}, element("h3", {}, "Why"), element("p", { class: "said" }, ...safely(letter.detail || "No header says more."))),
    element("section", { class: "fix" }, element("h3", {}, "How to fix it"), element("p", {}, letter.fix)),
    facts(letter),
    block("Key", letter.key),
    block("Value", letter.value),
    headers(letter.headers),
    element("div", { class: "actions" }, reason),
  ];
}

function facts(letter) {
  const rows = [
    ["Letter", [place(letter.place)]],
    ["First place", letter.first && safely(place(letter.first))],
    ["Written by", [SOURCES[letter.source] ?? letter.source]],
    ["Path", letter.path && safely(letter.path)],
    ["Connector", letter.connector && safely(letter.connector)],
    ["Whole value", letter.original_size !== null && [`${size(letter.original_size)}; the letter has only its beginning`]],
    ["Attempt", letter.attempt !== null && [String(letter.attempt)]],
    ["Replay", letter.replay && safely(letter.replay)],
    ["History", letter.history && safely(letter.history)],
  ];
  return element("dl", { class: "facts" }, ...rows.filter(([, nodes]) => nodes).flatMap(([name, nodes]) =>
    [element("dt", {}, name), element("dd", { class: "mono" }, ...nodes)]));
}

function headers(all) {
  if (!all.length) return element("p", { class: "muted" }, "The record has no headers.");
  return element("details", { class: "headers" },
    element("summary", {}, `Headers (${all.length})`),
    element("dl", { class: "facts", tabindex: "0", role: "group", "aria-label": "Headers" }, ...all.flatMap(({ name, value }) => [
      element("dt", { class: "mono" }, ...safely(name)),
      element("dd", { class: "mono" }, ...(value && value.encoding === "text" ? safely(value.data) : short(value)))])));
}
