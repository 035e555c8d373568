// The search page. The address bar holds the search, so that a link shows the same hits.
import { USER } from "../common/address.js";
import { getJson } from "../common/api.js";
import { element, failure, json, setText } from "../common/element.js";
import { count, moment } from "../common/format.js";
import { Times } from "../common/times.js";
import { Histogram } from "./histogram.js";

const form = document.getElementById("form");
const fields = ["q", "user", "action"];
const times = new Times(form, () => go());
const histogram = new Histogram(document.getElementById("bars"), (fromMs, toMs) => times.narrow(fromMs, toMs));
let page = 1;
let running = null;

// What the form asks for, as the API's parameters.
function asked() {
  const parameters = new URLSearchParams();
  for (const name of fields) if (form.elements[name].value.trim()) parameters.set(name, form.elements[name].value.trim());
  for (const [name, ms] of times.chosen()) parameters.set(name, String(ms));
  if (page > 1) parameters.set("page", String(page));
  return parameters;
}

function fromAddress() {
  const parameters = new URLSearchParams(location.search);
  for (const name of fields) form.elements[name].value = parameters.get(name) ?? "";
  times.fromAddress(parameters);
  page = Number(parameters.get("page")) || 1;
}

function go(toPage = 1, push = true) {
  page = toPage;
  const parameters = asked();
  const address = parameters.size ? `search?${parameters}` : "search";
  if (push) history.pushState(null, "", address);
  search(parameters);
}

async function search(parameters) {
  running?.abort();
  const mine = (running = new AbortController());
  const holder = document.getElementById("hits");
  holder.setAttribute("aria-busy", "true");
  try {
    const { data } = await getJson(`api/search?${parameters}`, mine.signal);
    show(data);
  } catch (error) {
    if (error.name === "AbortError") return;
    refuse(error);
  }
  if (running === mine) holder.removeAttribute("aria-busy");
}

function show(found) {
  setText("hits-title", found.total === 1 ? "1 click" : `${count(found.total)} clicks`);
  setText("took", `${found.took_ms} ms`);
  document.getElementById("partial").hidden = !found.partial;
  document.getElementById("over-time").hidden = !found.total;
  histogram.show(found.histogram);
  setText("interval", found.total ? `one bar is ${found.histogram.interval}` : "");
  facets(found.actions);
  document.getElementById("hits").replaceChildren(...(found.hits.length ? found.hits.map(hit) : [nothing(found)]));
  paging(found);
}

function refuse(problem) {
  setText("hits-title", "No result");
  setText("took", "");
  document.getElementById("partial").hidden = true;
  document.getElementById("over-time").hidden = true;
  document.getElementById("paging").hidden = true;
  facets([]);
  document.getElementById("hits").replaceChildren(failure(problem));
}

function nothing(found) {
  if (found.total) return element("p", { class: "empty" }, "This page is beyond the last hit.");
  const asks = [...asked().keys()].length;
  return element("p", { class: "empty" }, asks
    ? "No click matches. Try fewer words, or a wider time range."
    : "The index is empty so far. Clicks appear here moments after they are enriched.");
}

function facets(actions) {
  const chosen = form.elements.action.value.trim();
  const pick = (action) => { form.elements.action.value = action === chosen ? "" : action; go(); };
  document.getElementById("facets").replaceChildren(...actions.map(({ action, clicks }) =>
    element("li", {}, element("button", { type: "button", "aria-pressed": String(action === chosen), onclick: () => pick(action) },
      action, element("small", {}, count(clicks))))));
  if (actions.length > 1 || !chosen) {
    document.getElementById("actions").replaceChildren(...actions.map(({ action }) => element("option", { value: action })));
  }
}

function marked(text, pieces) {
  if (!pieces) return [text ?? "–"];
  return pieces.map((piece) => (piece.hit ? element("mark", {}, piece.text) : piece.text));
}

function hit({ click, highlights }) {
  const when = new Date(click.timestamp);
  const pick = () => { form.elements.user.value = click.user_id; go(); };
  return element("article", { class: "hit" },
    element("time", { datetime: Number.isNaN(when.valueOf()) ? null : when.toISOString() }, Number.isNaN(when.valueOf()) ? "no time" : moment(when.valueOf())),
    element("div", { class: "who" },
      element("b", {}, ...marked(click.user_name, highlights.user_name)),
      element("button", { type: "button", onclick: pick, title: `Only clicks of ${click.user_id}` }, click.user_id)),
    element("span", { class: "action" }, element("span", { class: "pill plain" }, click.action ?? "–")),
    element("span", { class: "page mono" }, ...marked(click.page_url, highlights.page_url)),
    element("span", { class: "tags" }, click.country && element("span", { class: "pill plain" }, click.country), click.plan_tier && element("span", { class: "pill good" }, click.plan_tier)),
    ...details(click));
}

// A button at the row's end, and the whole record below the row once it was pressed.
function details(click) {
  const live = element("a", { href: `./#${new URLSearchParams({ [USER]: click.user_id })}` }, "What this user does now");
  const panel = element("div", { class: "all-fields", hidden: true });
  const button = element("button", { type: "button", class: "more", "aria-expanded": "false", "aria-label": "All fields of this click", title: "All fields" }, "{ }");
  button.addEventListener("click", () => {
    if (!panel.childElementCount) panel.append(json(click), element("p", {}, live));
    panel.hidden = !panel.hidden;
    button.setAttribute("aria-expanded", String(!panel.hidden));
  });
  return [button, panel];
}

function paging(found) {
  document.getElementById("paging").hidden = found.pages <= 1;
  setText("page-of", `Page ${count(found.page)} of ${count(found.pages)}`);
  document.getElementById("previous").disabled = found.page <= 1;
  document.getElementById("next").disabled = found.page >= found.pages;
}

form.addEventListener("submit", (event) => { event.preventDefault(); go(); });
form.addEventListener("reset", () => setTimeout(() => go()));
document.getElementById("previous").addEventListener("click", () => { go(page - 1); scrollTo({ top: 0 }); });
document.getElementById("next").addEventListener("click", () => { go(page + 1); scrollTo({ top: 0 }); });
window.addEventListener("popstate", () => { fromAddress(); go(page, false); });

fromAddress();
go(page, false);
