// One user, asked again every two seconds while the page shows them. What is shown of a user comes in parts:
// each has a node, begin(user) for another user, show(data, staleness), and maybe follow() for what it asks itself.
import { onAddress, part, setPart, USER } from "../common/address.js";
import { getJson } from "../common/api.js";
import { element, failure, setText } from "../common/element.js";
import { clicksOf } from "./person.js";

const AGAIN_MS = 2000;
const WINDOWS = 120; // one page of them

export class UserLookup {
  constructor(main, aside) {
    this.parts = [...main, ...aside];
    this.columns = [element("div", {}, ...main.map((each) => each.node)), element("div", {}, ...aside.map((each) => each.node))];
    this.input = document.getElementById("user");
    this.result = document.getElementById("user-result");
    this.closer = document.getElementById("user-close");
    this.user = "";
    this.turn = 0;
    document.getElementById("lookup").addEventListener("submit", (event) => {
      event.preventDefault();
      this.open(this.input.value.trim());
    });
    this.closer.addEventListener("click", () => { this.close(); this.input.focus(); });
    onAddress(() => this.openFromAddress());
    this.openFromAddress();
    if (document.body.dataset.search === "on") this.suggest();
  }

  openFromAddress() {
    const user = part(USER);
    if (!user) this.close();
    else if (user !== this.user) this.open(user);
  }

  async open(user) {
    if (!user) return;
    this.user = this.input.value = user;
    setPart(USER, user);
    this.closer.hidden = false;
    clearTimeout(this.timer);
    this.shown = false;
    for (const each of this.parts) each.begin(user);
    await this.load(user, ++this.turn);
  }

  close() {
    if (!this.user) return;
    this.turn += 1;
    clearTimeout(this.timer);
    this.user = this.input.value = "";
    this.closer.hidden = true;
    this.result.replaceChildren();
    setText("user-said", "");
    setPart(USER, null);
  }

  async load(user, turn) {
    let again = AGAIN_MS;
    try {
      const path = `dashboard/users/${encodeURIComponent(user)}/metrics?detail=1&limit=${WINDOWS}`;
      const { data, staleness } = await getJson(path);
      if (this.turn === turn) await this.show(data, staleness);
    } catch (problem) {
      if (this.turn !== turn) return;
      this.refuse(user, problem);
      if (problem.status === 400 || problem.status === 401) return;
      again *= 2;
    }
    if (this.turn === turn) this.timer = setTimeout(() => this.load(user, turn), document.hidden ? 30_000 : again);
  }

  // Keeps focus and what is open while the figures change.
  async show(data, staleness) {
    for (const each of this.parts) each.show(data, staleness);
    if (!this.shown) {
      this.shown = true;
      this.result.replaceChildren(...this.columns);
      const { clicks, span } = clicksOf(data);
      setText("user-said", `${data.user_name ?? data.user_id}: ${clicks} clicks in the last ${span}`);
    }
    await Promise.all(this.parts.map((each) => each.follow?.()));
  }

  refuse(user, problem) {
    this.shown = false;
    const said = problem.status === 404 ? `No profile and no click of ${user} is known.` : "";
    this.result.replaceChildren(said ? element("p", { class: "empty" }, said) : failure(problem));
    setText("user-said", said);
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
