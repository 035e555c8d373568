// Who a user is, how many clicks they have now, and the windows that are kept of them.
import { element } from "../common/element.js";
import { count, duration, hour } from "../common/format.js";

const SLOTS = 120; // windows in the chart

// The user's count, and the time it is of.
export function clicksOf(data) {
  const [name, clicks] = Object.entries(data).find(([key]) => key.startsWith("clicks_last_"));
  return { clicks, span: spaced(name) };
}

export class Person {
  constructor() {
    this.title = element("h3");
    this.about = element("div", { class: "about" });
    this.count = element("b");
    this.unit = element("span", { class: "muted" });
    this.windows = element("div");
    this.node = element("div", {},
      element("div", { class: "person" },
        element("div", {}, this.title, this.about),
        element("div", { class: "count" }, this.count, this.unit)),
      this.windows);
  }

  begin() {}

  show(data, staleness) {
    const { clicks, span } = clicksOf(data);
    this.title.textContent = data.user_name ?? data.user_id;
    this.count.textContent = count(clicks);
    this.unit.textContent = `clicks in the last ${span}`;
    this.about.replaceChildren(...about(data, staleness));
    this.windows.replaceChildren(...windowsOf(data.windows));
  }
}

function about(data, staleness) {
  return [
    element("code", { class: "muted" }, data.user_id),
    data.country && element("span", { class: "pill plain" }, data.country),
    data.plan_tier && element("span", { class: "pill good" }, data.plan_tier),
    data.user_name === null && element("span", { class: "pill plain" }, "no profile"),
    staleness > 0 && element("span", { class: "pill", title: "The owner did not answer, or is cut off from Kafka" }, `${duration(staleness * 1000)} old`),
  ].filter(Boolean);
}

const UNITS = { ms: "ms", s: "s", min: "min", h: "h" };

function spaced(name) {
  const [, size, unit] = /^clicks_last_(\d+)(\w+)$/.exec(name);
  return `${size} ${UNITS[unit] ?? unit}`;
}

// The retained windows, oldest first; those without clicks are gaps of height 0.
function windowsOf(list) {
  if (!list.length) return [];
  const ordered = [...list].sort((a, b) => a.window_start - b.window_start);
  const gaps = ordered.slice(1).map((w, i) => w.window_start - ordered[i].window_start);
  const step = Math.min(ordered[0].window_end - ordered[0].window_start, ...gaps);
  const [first, last] = [ordered[0].window_start, ordered.at(-1).window_start];
  const byStart = new Map(ordered.map((w) => [w.window_start, w.clicks]));
  const slots = Math.min(Math.max(Math.round((last - first) / step) + 1, 12), SLOTS);
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
