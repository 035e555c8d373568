// One user's metrics, asked again every two seconds while the page shows them.
import { getJson } from "./api.js";
import { element, failure, json } from "./element.js";
import { count, duration, hour } from "./format.js";

const AGAIN_MS = 2000;
const BARS = 120; // windows in the chart, one page of them
const EXTRA = ["windows", "windows_from", "next", "as_of", "staleness"];

export class UserLookup {
  constructor() {
    this.form = document.getElementById("lookup");
    this.input = document.getElementById("user");
    this.result = document.getElementById("user-result");
    this.user = "";
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.open(this.input.value.trim());
    });
    window.addEventListener("hashchange", () => this.openFromAddress());
    this.openFromAddress();
    this.suggest();
  }

  openFromAddress() {
    const user = new URLSearchParams(location.hash.slice(1)).get("user");
    if (user && user !== this.user) this.open(user);
  }

  async open(user) {
    if (!user) return;
    this.user = this.input.value = user;
    history.replaceState(null, "", `#${new URLSearchParams({ user })}`);
    clearTimeout(this.timer);
    await this.load(user);
  }

  async load(user) {
    const path = `dashboard/users/${encodeURIComponent(user)}/metrics`;
    let again = AGAIN_MS;
    try {
      const { data, staleness } = await getJson(`${path}?detail=1&limit=${BARS}`);
      if (this.user === user) this.show(path, data, staleness);
    } catch (error) {
      if (this.user === user) this.refuse(user, error);
      if (error.status === 400 || error.status === 401) return;
      again *= 2;
    }
    if (this.user === user) this.timer = setTimeout(() => this.load(user), document.hidden ? 30_000 : again);
  }

  show(path, data, staleness) {
    const [name, clicks] = Object.entries(data).find(([key]) => key.startsWith("clicks_last_"));
    const answer = Object.fromEntries(Object.entries(data).filter(([key]) => !EXTRA.includes(key)));
    const text = JSON.stringify(data.user_id);
    if (this.shown !== text) { // keeps focus and an open detail while the figures change
      this.shown = text;
      this.parts = {
        about: element("div", { class: "about" }), count: element("b"), windows: element("div"),
        title: element("h3"), answer: element("div"),
      };
      this.result.replaceChildren(
        element("div", { class: "person" },
          element("div", {}, this.parts.title, this.parts.about),
          element("div", { class: "count" }, this.parts.count, element("span", { class: "muted" }, `clicks in the last ${spaced(name)}`))),
        this.parts.windows,
        element("p", { class: "path" }, element("span", { class: "pill plain" }, "GET"), element("code", {}, `/${path}`)),
        this.parts.answer);
    }
    this.parts.title.textContent = data.user_name ?? data.user_id;
    this.parts.count.textContent = count(clicks);
    this.parts.about.replaceChildren(...this.about(data, staleness));
    this.parts.windows.replaceChildren(...windows(data.windows));
    this.parts.answer.replaceChildren(json(answer));
  }

  about(data, staleness) {
    return [
      element("code", { class: "muted" }, data.user_id),
      data.country && element("span", { class: "pill plain" }, data.country),
      data.plan_tier && element("span", { class: "pill good" }, data.plan_tier),
      data.user_name === null && element("span", { class: "pill plain" }, "no profile"),
      staleness > 0 && element("span", { class: "pill", title: "The owner did not answer, or is cut off from Kafka" }, `${duration(staleness * 1000)} old`),
      element("a", { href: `search?${new URLSearchParams({ user: data.user_id })}`, class: "muted" }, "Search clicks"),
    ].filter(Boolean);
  }

  refuse(user, problem) {
    this.shown = null;
    this.result.replaceChildren(element("div", { class: "person" }),
      problem.status === 404
        ? element("p", { class: "empty" }, `No profile and no click of ${user} is known.`)
        : failure(problem));
  }

  async suggest() {
    try {
      const { data } = await getJson("api/search");
      const users = [...new Set(data.hits.map((hit) => hit.click.user_id))].slice(0, 5);
      const recent = document.getElementById("recent");
      recent.append(...users.map((user) => element("button", { type: "button", onclick: () => this.open(user) }, user)));
      recent.hidden = !users.length;
    } catch { /* a convenience only: the search index may not be there yet */ }
  }
}

const UNITS = { ms: "ms", s: "s", min: "min", h: "h" };

function spaced(name) {
  const [, size, unit] = /^clicks_last_(\d+)(\w+)$/.exec(name);
  return `${size} ${UNITS[unit] ?? unit}`;
}

// The retained windows, oldest first; those without clicks are gaps of height 0.
function windows(list) {
  if (!list.length) return [];
  const ordered = [...list].sort((a, b) => a.window_start - b.window_start);
  const gaps = ordered.slice(1).map((w, i) => w.window_start - ordered[i].window_start);
  const step = Math.min(ordered[0].window_end - ordered[0].window_start, ...gaps);
  const [first, last] = [ordered[0].window_start, ordered.at(-1).window_start];
  const byStart = new Map(ordered.map((w) => [w.window_start, w.clicks]));
  const slots = Math.min(Math.max(Math.round((last - first) / step) + 1, 12), BARS);
  const greatest = Math.max(...ordered.map((w) => w.clicks), 1);
  const bars = Array.from({ length: slots }, (_, i) => {
    const start = last - (slots - 1 - i) * step;
    const clicks = byStart.get(start) ?? 0;
    const bar = element("i", { title: `${hour(start)}: ${count(clicks)} clicks`, class: i === slots - 1 && "last" });
    bar.style.height = `${(100 * clicks) / greatest}%`;
    return bar;
  });
  const label = `Clicks in each of the last windows, newest last: ${ordered.slice(-6).map((w) => w.clicks).join(", ")}`;
  return [
    element("div", { class: "windows", role: "img", "aria-label": label }, ...bars),
    element("p", { class: "ends muted" }, element("span", {}, `Windows from ${hour(last - (slots - 1) * step)}`), element("span", {}, hour(ordered.at(-1).window_end))),
  ];
}
