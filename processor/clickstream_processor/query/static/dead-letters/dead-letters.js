// The page of dead letters. The address bar holds what is chosen, so that a link shows the same.
import { getJson } from "../common/api.js";
import { element, failure, setText } from "../common/element.js";
import { count, duration, moment } from "../common/format.js";
import { Times } from "../common/times.js";
import { safely } from "./bytes.js";
import { row } from "./letter.js";
import { replayNote, replayYaml } from "./replay.js";
import { Stack } from "./stack.js";

const form = document.getElementById("form");
const holder = document.getElementById("letters");
const times = new Times(form, goIfValid);
const stack = new Stack(document.getElementById("bars"), (fromMs, toMs) => times.narrow(fromMs, toMs));
const HUES = 8;
const OTHER = "(other)"; // reasons that are too many to be told
const hues = new Map(); // of reasons, as long as the page is open
let reasons = [];
let summary = null;
let running = null;
let older = null; // where the next page begins

const hue = (reason) => {
  if (!hues.has(reason)) hues.set(reason, Math.min(hues.size, HUES));
  return hues.get(reason);
};

function chosen() {
  const { from = null, to = null } = Object.fromEntries(times.chosen());
  const partition = form.elements.partition.value.trim();
  return { reasons, from, to, source: form.elements.source.value, partition: /^\d+$/.test(partition) ? Number(partition) : null };
}

function filters() {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(chosen())) {
    if (name !== "reasons" && value !== null && value !== "") parameters.set(name, String(value));
  }
  return parameters;
}

function asked() {
  const parameters = filters();
  for (const reason of reasons) parameters.append("reason", reason);
  return parameters;
}

function fromAddress() {
  const parameters = new URLSearchParams(location.search);
  reasons = parameters.getAll("reason");
  form.elements.source.value = parameters.get("source") ?? "";
  form.elements.partition.value = parameters.get("partition") ?? "";
  times.fromAddress(parameters);
}

function go() {
  const parameters = asked();
  history.pushState(null, "", parameters.size ? `dead-letters?${parameters}` : "dead-letters");
  read();
}

function goIfValid() {
  if (form.reportValidity()) go();
}

// The list comes at once; to count all letters can take seconds.
async function read() {
  running?.abort();
  const mine = (running = new AbortController());
  holder.setAttribute("aria-busy", "true");
  setText("letters-title", "Reading…");
  setText("reach", "counting…");
  document.getElementById("over-time").hidden = false;
  document.getElementById("paging").hidden = true;
  summary = null;
  const shows = async (path, show) => {
    const { data } = await getJson(path, mine.signal);
    if (running === mine) await show(data);
  };
  try {
    await Promise.all([
      shows(`api/letters?${asked()}`, (page) => showPage(page, mine, [])),
      shows(`api/letters/summary?${filters()}`, showSummary),
    ]);
  } catch (error) {
    if (error.name === "AbortError" || running !== mine) return;
    mine.abort();
    refuse(error);
  }
  if (running === mine) holder.removeAttribute("aria-busy");
}

function showSummary(data) {
  summary = data;
  setText("topic", data.topic);
  setText("pipeline", `${data.pipeline.namespace} / ${data.pipeline.name}`);
  for (const { reason } of data.reasons) hue(reason);
  document.getElementById("over-time").hidden = !data.total && !reasons.length;
  tell();
  setText("reach", reach(data));
  facets(data);
  const shown = data.reasons.map(({ reason }) => reason).filter((reason) => !reasons.length || reasons.includes(reason));
  stack.show(data, shown.map((reason) => [reason, hue(reason)]));
}

function reach(data) {
  const bar = data.buckets.length ? `one bar is ${duration(data.bucket_ms)}` : "";
  if (data.complete) return bar;
  const since = data.complete_from_ms === null ? `of the newest ${count(data.scanned)} letters only` : `complete since ${moment(data.complete_from_ms)}; older letters were not counted`;
  return [bar, since].filter(Boolean).join(" · ");
}

function facets(data) {
  const known = data.reasons.map(({ reason, letters }) => [reason, letters]);
  const gone = reasons.filter((reason) => !known.some(([each]) => each === reason)).map((reason) => [reason, 0]);
  const list = document.getElementById("reasons");
  const focused = list.contains(document.activeElement) ? document.activeElement.dataset.reason : null;
  list.replaceChildren(...[...known, ...gone].map(([reason, letters]) =>
    element("li", {}, element("button", { type: "button", "data-reason": reason, "data-hue": hue(reason), "aria-pressed": String(reasons.includes(reason)), disabled: reason === OTHER, onclick: () => toggle(reason) },
      element("span", { class: "swatch" }), element("span", {}, ...safely(reason)), element("small", {}, count(letters))))));
  if (focused) [...list.querySelectorAll("button")].find((button) => button.dataset.reason === focused)?.focus();
}

function toggle(reason) {
  reasons = reasons.includes(reason) ? reasons.filter((each) => each !== reason) : [...reasons, reason];
  go();
}

// Shows a page below `before`. One that found nothing within its bounds is followed on, as long as it says where.
async function showPage(page, mine, before) {
  const letters = [...page.letters];
  let next = page.next;
  let scanned = page.scanned;
  while (!letters.length && next !== null) {
    setText("letters-title", `Reading on: ${count(scanned)} letters, none matches yet…`);
    const { data } = await getJson(`api/letters?${following(next)}`, mine.signal);
    letters.push(...data.letters);
    next = data.next;
    scanned += data.scanned;
  }
  if (running !== mine) return;
  older = next;
  const rows = letters.map((letter) => row(letter, hue(letter.reason), (reason) => { reasons = [reason]; go(); }));
  holder.replaceChildren(...before, ...(before.length || rows.length ? rows : [nothing()]));
  holder.removeAttribute("aria-busy");
  tell();
  document.getElementById("paging").hidden = older === null && !before.length;
  document.getElementById("newest").hidden = !before.length;
  document.getElementById("older").disabled = older === null;
  if (before.length) rows[0]?.querySelector("button").focus();
}

function following(next) {
  const parameters = asked();
  parameters.set("before", next);
  return parameters;
}

// Says how many letters there are, and shows a replay of them, once that is known.
function tell() {
  if (holder.hasAttribute("aria-busy")) return;
  const shown = holder.querySelectorAll(".letter").length;
  setText("letters-title", title(shown));
  if (summary) showReplay(shown);
}

function title(shown) {
  if (!shown) return "No letters";
  if (!summary) return shown === 1 ? "The newest letter" : `The newest ${shown} letters`;
  const counts = summary.reasons.filter(({ reason }) => !reasons.length || reasons.includes(reason));
  const all = Math.max(counts.reduce((sum, { letters }) => sum + letters, 0), shown);
  const words = all === 1 ? "1 letter" : `${count(all)}${summary.complete ? "" : "+"} letters`;
  return shown < all ? `${words}, the newest ${count(shown)} shown` : words;
}

function nothing() {
  const narrowed = [...asked().keys()].length;
  return element("p", { class: "empty" }, narrowed
    ? "No letter matches. Try a wider time range, or other reasons."
    : "No dead letters: every record could be used, or what could not has expired.");
}

function showReplay(shown) {
  document.getElementById("replay").hidden = !shown;
  if (!shown) return;
  const what = chosen();
  setText("yaml", replayYaml(what, summary.pipeline, Date.now()));
  setText("replay-note", replayNote(what));
}

function refuse(problem) {
  setText("letters-title", "No answer");
  for (const id of ["over-time", "paging", "replay"]) document.getElementById(id).hidden = true;
  holder.replaceChildren(failure(problem), element("p", { class: "empty" }, element("button", { type: "button", onclick: read }, "Try again")));
}

async function copy() {
  const text = document.getElementById("yaml");
  const button = document.getElementById("copy");
  try {
    await navigator.clipboard.writeText(text.textContent);
    button.textContent = "Copied";
  } catch { // over plain http, or refused: the text is selected, so that a key copies it
    getSelection().selectAllChildren(text);
    text.focus();
    button.textContent = "Selected";
  }
  setTimeout(() => { button.textContent = "Copy"; }, 3000);
}

form.addEventListener("submit", (event) => { event.preventDefault(); go(); });
form.addEventListener("reset", () => setTimeout(() => { reasons = []; go(); }));
for (const name of ["source", "partition"]) form.elements[name].addEventListener("change", goIfValid);
document.getElementById("older").addEventListener("click", async () => {
  const mine = (running = new AbortController());
  holder.setAttribute("aria-busy", "true");
  try {
    const { data } = await getJson(`api/letters?${following(older)}`, mine.signal);
    await showPage(data, mine, [...holder.children]);
  } catch (error) {
    if (error.name !== "AbortError") refuse(error);
  }
  if (running === mine) holder.removeAttribute("aria-busy");
});
document.getElementById("newest").addEventListener("click", () => { scrollTo({ top: 0 }); read(); });
document.getElementById("copy").addEventListener("click", copy);
window.addEventListener("popstate", () => { fromAddress(); read(); });

fromAddress();
read();
