// A user's latest clicks, from the search index.
import { getJson } from "../common/api.js";
import { element } from "../common/element.js";
import { clock, moment } from "../common/format.js";

const SHOWN = 10;
const AGAIN_MS = 6000; // a search costs the engine more than a look-up costs a pod
const DAY_MS = 86_400_000;

export class LatestClicks {
  constructor() {
    this.searches = document.body.dataset.search === "on";
    this.list = element("ol", { class: "latest" });
    this.note = element("p", { class: "muted" });
    this.more = element("a", {}, "All clicks");
    this.node = element("section", { "aria-label": "Latest clicks" },
      element("h4", {}, "Latest clicks", this.searches && this.more), this.list, this.note);
  }

  begin(user) {
    this.user = user;
    this.askedAt = -Infinity;
    this.list.replaceChildren();
    this.more.href = `search?${new URLSearchParams({ user })}`;
    this.note.textContent = this.searches ? "" : "This pipeline keeps no clicks to search: its spec has no sink.search.";
  }

  show() {}

  async follow() {
    if (!this.searches || performance.now() - this.askedAt < AGAIN_MS) return;
    const { user } = this;
    this.askedAt = performance.now();
    try {
      const { data } = await getJson(`api/search?${new URLSearchParams({ user })}`);
      if (user !== this.user) return;
      this.list.replaceChildren(...data.hits.slice(0, SHOWN).map(({ click }) => row(click)));
      this.note.textContent = data.hits.length ? "" : "The index has no click of this user.";
    } catch (problem) {
      if (user === this.user) this.note.textContent = `${problem.title}. ${problem.detail}`;
    }
  }
}

function row({ timestamp, action, page_url: page }) {
  const at = new Date(timestamp);
  const isTime = !Number.isNaN(at.valueOf());
  const text = isTime ? (Date.now() - at > DAY_MS / 2 ? moment : clock)(at.valueOf()) : "no time";
  return element("li", {},
    element("time", { class: "muted", datetime: isTime && at.toISOString() }, text),
    element("span", { class: "pill plain" }, action ?? "–"),
    element("code", {}, page ?? "–"));
}
