// The answer to the question about a user as an application gets it.
import { element, json } from "../common/element.js";

const EXTRA = ["windows", "windows_from", "next", "as_of", "staleness", "sessions"]; // of detail=1

export class RawAnswer {
  constructor() {
    this.path = element("code");
    this.answer = element("div");
    this.node = element("div", {},
      element("p", { class: "path" }, element("span", { class: "pill plain" }, "GET"), this.path), this.answer);
  }

  begin(user) {
    this.path.textContent = `/dashboard/users/${encodeURIComponent(user)}/metrics`;
  }

  show(data) {
    this.answer.replaceChildren(json(Object.fromEntries(Object.entries(data).filter(([key]) => !EXTRA.includes(key)))));
  }
}
