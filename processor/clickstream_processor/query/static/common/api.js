// The pod's API as the pages use it: problems become errors, a 401 asks for a token once and tries again.
import { element } from "./element.js";

const TOKEN = "clickstream-token";
let token = sessionStorage.getItem(TOKEN) || "";
let asking = null;

export class Problem extends Error {
  constructor(status, title, detail, kind = "") {
    super(detail);
    this.status = status;
    this.title = title;
    this.detail = detail;
    this.kind = kind;
  }
}

function askForToken() {
  asking ??= new Promise((resolve, reject) => {
    const input = element("input", { type: "password", id: "token", autocomplete: "off", required: true });
    const dialog = element("dialog", { "aria-labelledby": "token-title" },
      element("form", { method: "dialog" },
        element("h2", { id: "token-title" }, "This pipeline asks for a token"),
        element("label", { for: "token", class: "muted" }, "Bearer token; kept until this tab is closed"),
        input,
        element("button", { class: "primary" }, "Continue")));
    dialog.addEventListener("close", () => {
      asking = null;
      dialog.remove();
      token = input.value.trim();
      if (token) { sessionStorage.setItem(TOKEN, token); resolve(); }
      else reject(new Problem(401, "Unauthorized", "No token was given."));
    });
    document.body.append(dialog);
    dialog.showModal();
  });
  return asking;
}

async function request(path, signal) {
  for (;;) {
    const sent = token;
    let response;
    try {
      response = await fetch(path, { signal, headers: sent ? { Authorization: `Bearer ${sent}` } : {}, cache: "no-store" });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Problem(0, "No answer", "This pod cannot be reached. It may be restarting.");
    }
    if (response.status === 401) {
      if (sent === token) await askForToken();
      continue;
    }
    if (response.ok) return response;
    let problem = {};
    try { problem = await response.json(); } catch { /* a proxy's page, not ours */ }
    throw new Problem(response.status, problem.title || `Status ${response.status}`, problem.detail || "", (problem.type || "").split("/").at(-1));
  }
}

export async function getJson(path, signal) {
  const response = await request(path, signal);
  const staleness = response.headers.get("X-Clickstream-Staleness");
  return { data: await response.json(), staleness: staleness === null ? 0 : Number(staleness) };
}

// Yields the data of each server-sent event. fetch and not EventSource: that one cannot send a token.
export async function* events(path, signal) {
  const response = await request(path, signal);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    buffer += value;
    for (let end = buffer.indexOf("\n\n"); end >= 0; end = buffer.indexOf("\n\n")) {
      const data = buffer.slice(0, end).split("\n").filter((line) => line.startsWith("data: ")).map((line) => line.slice(6));
      buffer = buffer.slice(end + 2);
      if (data.length) yield JSON.parse(data.join("\n"));
    }
  }
}
