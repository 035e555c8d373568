// One metric's tile: its number in the newest complete window, and how that was before. Where there is no total (a
// distinct count by keys), it is the largest key's number, and the tile says so.
import { sparkline } from "../common/chart.js";
import { drawing, element } from "../common/element.js";
import { clock, hour } from "../common/format.js";
import { showChange } from "./toplist.js";
import { ago, change, estimate, keyText, number, title } from "./words.js";

export class Headline {
  constructor(metric, goTo) {
    this.metric = metric;
    const { name, window } = metric.about;
    this.time = window.advance_ms < 60_000 ? clock : hour;
    this.parts = {
      value: element("data", { class: "value" }, "–"), whose: element("span", { class: "whose" }), change: element("span"),
      before: element("span", { class: "muted" }), span: element("p", { class: "muted" }),
      spark: drawing("svg", { class: "spark", "aria-hidden": "true" }),
    };
    const p = this.parts;
    this.node = element("li", { class: "card headline", "data-metric": name, "aria-busy": "true" },
      element("h3", {}, element("button", { type: "button", onclick: goTo, title: "Go to its card" }, title(name))),
      element("p", { class: "big" }, p.value, p.whose),
      element("p", { class: "against" }, p.change, p.before), p.span, p.spark);
  }

  draw() {
    const { metric, parts } = this;
    const key = metric.newest && metric.follows(null);
    const window = metric.complete(key);
    if (!window) return;
    const row = key ? metric.rowOf(window, key) : metric.keyless && window.rows[0];
    const value = metric.valueOrNothing(window, key);
    const { sign, note } = estimate(row || {});
    parts.value.textContent = value === null ? "–" : sign + number(value);
    parts.value.value = value === null ? "" : String(value);
    parts.value.title = note ?? "";
    parts.whose.textContent = key ? `largest key: ${keyText(key)}` : "";
    this.against(metric.compared?.now === window ? metric.valuesThen(key) : null);
    parts.span.textContent = [`${this.time(window.window_start)} to ${this.time(window.window_end)}`, ...this.remarks(window)].join(", ");
    const past = metric.past(key);
    sparkline(parts.spark, past, past.length);
    this.node.dataset.window = window.window_start;
    this.node.removeAttribute("aria-busy");
  }

  against(values) {
    const { parts, metric: { compared } } = this;
    const changed = values && change(values.before, values.now, compared.shiftMs);
    showChange(parts.change, changed);
    const isKnown = values && values.before !== null;
    parts.before.textContent = isKnown ? `${number(values.before)} ${ago(compared.shiftMs)} before` : "nothing to compare with yet";
  }

  // What makes the number less than it seems.
  remarks(window) {
    const { metric, metric: { answer } } = this;
    return [
      answer.partial && "some pods did not answer",
      answer.since_ms > window.window_start && "counted in part",
      !metric.isPassed(window) && "clicks may still come",
    ].filter(Boolean);
  }
}
