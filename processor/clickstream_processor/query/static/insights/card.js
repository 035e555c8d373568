// One metric's card: its number, its windows, its largest keys.
import { element } from "../common/element.js";
import { clock, hour } from "../common/format.js";
import { pick, pickedOf } from "./picked.js";
import { bars } from "./series.js";
import { showChange, TopList } from "./toplist.js";
import { about, ago, change, estimate, keyText, number, old, title } from "./words.js";

const KEYS = 10;

export class Card {
  constructor(metric, onPick) {
    this.metric = metric;
    this.onPick = onPick;
    const { name, where, by } = metric.about;
    this.name = title(name);
    this.keyed = Object.keys(by).length > 0;
    this.top = this.keyed ? new TopList(`${this.name}: largest keys`, (values) => this.toggle(values)) : null;
    this.parts = {
      heading: element("h2", { id: `metric-${name}`, tabindex: "-1" }, this.name),
      pills: element("span", { class: "pills" }),
      whose: element("span", { class: "key" }),
      release: element("button", { type: "button", class: "quiet", onclick: () => this.toggle(null) }, "All keys"),
      value: element("data", { class: "value" }, "–"), change: element("span"), against: element("span", { class: "against", "aria-hidden": "true" }), span: element("p", { class: "muted span" }),
      figure: element("figure", { class: "series" }), count: element("p", { class: "muted count" }),
      trouble: element("p", { class: "trouble muted", role: "status" }),
    };
    const p = this.parts;
    this.node = element("article", { class: "card insight", "aria-labelledby": `metric-${name}`, "data-metric": name, "aria-busy": "true" },
      element("div", { class: "card-head" }, p.heading, p.pills),
      element("p", { class: "muted about" }, about(metric.about)),
      where && element("p", { class: "muted about" }, element("code", {}, where)),
      this.whose = element("p", { class: "whose", hidden: true }, p.whose, p.release),
      element("p", { class: "number-line" }, p.value, p.change, p.against),
      p.span, p.figure, this.top?.list, this.keyed && p.count, p.trouble);
    this.time = metric.about.window.advance_ms < 60_000 ? clock : hour;
    this.wide = 0;
    new ResizeObserver(() => { if (p.figure.clientWidth !== this.wide) this.draw(); }).observe(p.figure);
  }

  get picked() {
    return pickedOf(this.metric.about);
  }

  // Picks a key, or lets it go: the one that is picked, or null.
  toggle(values) {
    const released = this.picked;
    const same = JSON.stringify(values) === JSON.stringify(released);
    pick(this.metric.about.name, same ? null : values);
    this.draw();
    if (!values) (this.top.rows.get(JSON.stringify(released))?.holder ?? this.parts.heading).focus();
    this.onPick();
  }

  // Picks a key, and shows its windows.
  choose(values) {
    if (JSON.stringify(values) !== JSON.stringify(this.picked)) this.toggle(values);
    this.goTo();
  }

  goTo() {
    this.node.scrollIntoView();
    this.parts.heading.focus({ preventScroll: true });
  }

  draw() {
    const { metric, parts } = this;
    if (!metric.newest) {
      if (metric.isAhead) parts.span.textContent = "The clicks' times are so far ahead that no window of now is kept.";
      return;
    }
    const key = metric.follows(this.picked);
    this.node.removeAttribute("aria-busy");
    this.number(key);
    this.wide = parts.figure.clientWidth;
    if (this.wide) parts.figure.replaceChildren(...bars(this.wide, metric.drawn(key), key ? `${this.name}, ${keyText(key)}` : this.name));
    if (this.keyed) this.keys();
    this.pills();
  }

  number(key) {
    const { metric, parts } = this;
    const row = key ? metric.newestOf(key) : { ...metric.newest.rows[0], value: metric.newest.total };
    const { sign, note } = !key && this.keyed ? { sign: "", note: null } : estimate(row ?? {});
    const value = row?.value ?? null;
    parts.value.textContent = value === null ? "–" : sign + number(value);
    parts.value.value = value === null ? "" : String(value);
    parts.value.title = note ?? "";
    const values = metric.valuesThen(key);
    const changed = values && change(values.before, values.now, metric.compared.shiftMs);
    showChange(parts.change, changed);
    parts.change.title = changed ? this.comparison(values) : "";
    const { window_start: start, window_end: end } = metric.newest;
    parts.against.textContent = changed ? `vs ${ago(metric.compared.shiftMs)} before` : "";
    parts.span.textContent = `${this.time(start)} to ${this.time(end)}${end > metric.podMs() ? ", still counting" : ""}`;
    this.node.dataset.window = start;
    this.whose.hidden = !key;
    parts.release.hidden = !this.picked;
    parts.whose.textContent = key ? `${keyText(key)}${this.picked ? "" : ", the largest"}` : "";
    parts.whose.title = this.picked || !key ? "" : "There is no total: the same value can count under several keys";
  }

  comparison({ now, before }) {
    const { now: window, then } = this.metric.compared;
    const said = (each, value) => `${this.time(each.window_start)} to ${this.time(each.window_end)}: ${number(value)}`;
    return `${said(window, now)}. ${said(then, before)}`;
  }

  keys() {
    const { metric, parts } = this;
    const rows = topOf(metric.rows());
    this.top.show(rows, this.picked, (values) => metric.valuesThen(values), metric.compared?.shiftMs);
    const keys = metric.newest.keys;
    const shown = rows.filter((row) => row.picks).length;
    parts.count.textContent = !rows.length ? "No click matches in this window." : keys > shown ? `${number(shown)} of ${number(keys)} keys` : "";
  }

  pills() {
    const { answer, about: { name } } = this.metric;
    const partial = answer.partial || this.metric.seriesOf(this.metric.follows(this.picked)).partial;
    const wanted = [
      partial && ["pill", "some pods did not answer", "What their tasks hold is not counted here"],
      answer.staleness_ms > 0 && ["pill", old(answer.staleness_ms), "The owner did not answer, or is cut off from Kafka"],
      answer.since_ms > this.metric.newest.window_start && ["pill plain", `counted since ${hour(answer.since_ms)}`, "Windows that began before are counted in part"],
    ].filter(Boolean);
    const text = JSON.stringify([name, wanted]);
    if (this.pilled === text) return;
    this.pilled = text;
    this.parts.pills.replaceChildren(...wanted.map(([kind, what, why]) => element("span", { class: kind, title: why }, what)));
  }

  // Says quietly what went wrong; null: nothing any more.
  trouble(problem, againMs) {
    const again = againMs ? ` Asking again in ${Math.round(againMs / 1000)} s.` : "";
    const text = problem ? `${problem.title}. ${problem.detail}${again}` : "";
    if (this.parts.trouble.textContent !== text) this.parts.trouble.textContent = text;
  }
}

// The first ten keys, and (other) where it stands among them.
function topOf(rows) {
  let keys = 0;
  const end = rows.findIndex((row) => row.picks && ++keys > KEYS);
  const shown = end < 0 ? rows : rows.slice(0, end);
  return keys > KEYS && !shown.at(-1).picks ? shown.slice(0, -1) : shown;
}
