// The keys with the largest values, as buttons. A row stays the same node while its key is in the list, so that
// whoever is at it with the keyboard stays there.
import { element } from "../common/element.js";
import { change, estimate, isOther, keyText, number } from "./words.js";

export class TopList {
  constructor(label, onPick) {
    this.list = element("ol", { class: "toplist", "aria-label": label });
    this.onPick = onPick;
    this.rows = new Map();
  }

  // `before(values)` is { now, before } of a key, or null.
  show(rows, picked, before, shiftMs) {
    const largest = Math.max(...rows.map((row) => Math.abs(row.value)), 0);
    const at = [...this.list.children].findIndex((item) => item.contains(document.activeElement));
    const kept = new Map(rows.map((row) => [row.id, this.rows.get(row.id) ?? this.make(row)]));
    const items = rows.map((row) => kept.get(row.id).item);
    const focused = at < 0 ? null : document.activeElement;
    if (items.some((item, i) => this.list.children[i] !== item) || this.list.children.length > items.length) this.list.replaceChildren(...items);
    this.rows = kept;
    for (const row of rows) this.fill(kept.get(row.id), row, picked, largest, before, shiftMs);
    if (focused && document.activeElement !== focused) {
      (focused.isConnected ? focused : items[Math.min(at, items.length - 1)]?.querySelector("button"))?.focus({ preventScroll: true });
    }
  }

  make({ values, picks }) {
    const other = isOther(values);
    const parts = {
      value: element("data"), change: element("small"), bar: element("i"),
      holder: picks ? element("button", { type: "button", onclick: () => this.onPick(values) }) : element("div"),
    };
    parts.holder.append(
      element("span", { class: "key", title: other ? "All keys beyond keys.max" : keyText(values) }, keyText(values)),
      parts.change, parts.value, element("span", { class: "bar", "aria-hidden": "true" }, parts.bar));
    parts.item = element("li", { class: other && "other" }, parts.holder);
    return parts;
  }

  fill(parts, row, picked, largest, before, shiftMs) {
    const { sign, note } = estimate(row);
    parts.value.textContent = sign + number(row.value);
    parts.value.value = String(row.value);
    parts.value.title = note ?? "";
    parts.bar.style.width = `${largest ? (100 * Math.abs(row.value)) / largest : 0}%`;
    const values = row.picks ? before(row.values) : null;
    showChange(parts.change, values && change(values.before, values.now, shiftMs));
    if (row.picks) parts.holder.setAttribute("aria-pressed", String(JSON.stringify(picked) === row.id));
  }
}

export function showChange(node, changed) {
  const text = changed ? changed.text + changed.said : "";
  if (node.dataset.shown === text) return;
  node.dataset.shown = text;
  node.className = changed ? `change ${changed.way}` : "change";
  node.replaceChildren(...(changed ? [
    element("span", { "aria-hidden": "true" }, changed.text), element("span", { class: "visually-hidden" }, changed.said)] : []));
}
