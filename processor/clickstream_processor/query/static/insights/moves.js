// What rises and falls most of one metric: the keys whose values differ most between the last window that is over and
// the one an hour before. It asks nothing: it sees the keys that the two answers have.
import { element } from "../common/element.js";
import { showChange } from "./toplist.js";
import { ago, change, keyText, number, title } from "./words.js";

const EACH = 3; // that rise, and that fall

export class Moves {
  constructor(metric, onPick) {
    this.metric = metric;
    this.onPick = onPick;
    this.list = element("ul");
    this.span = element("span", { class: "muted" });
    this.node = element("article", { class: "moves", "data-metric": metric.about.name, hidden: true },
      element("h3", {}, title(metric.about.name), " ", this.span), this.list);
  }

  draw() {
    const moved = this.metric.compared ? most(this.metric.moves()) : [];
    const shown = JSON.stringify(moved);
    if (shown === this.shown) return;
    this.shown = shown;
    this.node.hidden = !moved.length;
    if (!moved.length) return;
    this.span.textContent = `against ${ago(this.metric.compared.shiftMs)} before`;
    const focused = this.list.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    this.list.replaceChildren(...moved.map((each) => this.row(each)));
    if (focused) [...this.list.querySelectorAll("button")].find((button) => button.dataset.key === focused)?.focus({ preventScroll: true });
  }

  row({ values, now, before }) {
    const changed = element("small");
    showChange(changed, change(before, now, this.metric.compared.shiftMs));
    return element("li", {}, element("button", { type: "button", "data-key": JSON.stringify(values), onclick: () => this.onPick(values) },
      element("span", { class: "key", title: keyText(values) }, keyText(values)), changed,
      element("span", { class: "muted" }, `${number(before)} → `, element("b", {}, number(now)))));
  }
}

// Those that rise most, then those that fall most.
function most(moves) {
  const risen = moves.filter(({ now, before }) => now > before).sort((a, b) => b.now - b.before - (a.now - a.before));
  const fallen = moves.filter(({ now, before }) => now < before).sort((a, b) => a.now - a.before - (b.now - b.before));
  return [...risen.slice(0, EACH), ...fallen.slice(0, EACH)];
}
