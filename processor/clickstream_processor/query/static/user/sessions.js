// The sessions of a user that are open. A pipeline that counts no sessions says nothing of them, nor does this.
import { element } from "../common/element.js";
import { count, duration, hour } from "../common/format.js";

export class Sessions {
  constructor() {
    this.list = element("ol", { class: "sessions" });
    this.empty = element("p", { class: "muted" }, "None is open.");
    this.node = element("section", { "aria-label": "Sessions", hidden: true }, element("h4", {}, "Sessions"), this.list, this.empty);
  }

  begin() {}

  show({ sessions }) {
    this.node.hidden = !sessions;
    if (!sessions) return;
    const newest = [...sessions].sort((a, b) => b.session_start - a.session_start);
    this.list.replaceChildren(...newest.map(row));
    this.empty.hidden = newest.length > 0;
  }
}

function row({ session_start: start, session_end: end, clicks, entry_page: entry, exit_page: exit, open }) {
  return element("li", {},
    element("p", {},
      element("b", {}, `${hour(start)} to ${hour(end)}`),
      element("span", { class: "muted" }, `${duration(end - start)}, ${clicks === 1 ? "1 click" : `${count(clicks)} clicks`}`),
      open && element("span", { class: "pill good" }, "open")),
    element("p", { class: "way" },
      element("code", {}, entry), element("span", { "aria-hidden": "true" }, "→"),
      element("span", { class: "visually-hidden" }, "to"), element("code", {}, exit)));
}
