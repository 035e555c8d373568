// What the address's fragment holds, by name: the keys that are picked, the user who is shown. So a reload and a
// link show the same. The look-up's name has a _: no metric is called so.
export const USER = "user_id";

const parts = new Map();
const listeners = new Set();

function read() {
  parts.clear();
  for (const [name, text] of new URLSearchParams(location.hash.slice(1))) if (text) parts.set(name, text);
}

function write() {
  const parameters = new URLSearchParams([...parts]);
  history.replaceState(null, "", parameters.size ? `#${parameters}` : location.pathname + location.search);
}

export const part = (name) => parts.get(name) ?? null;

export function setPart(name, text) {
  if (text) parts.set(name, text);
  else parts.delete(name);
  write();
}

// Calls when somebody else changed the address: a link, the browser's history.
export function onAddress(listener) {
  listeners.add(listener);
}

read();
window.addEventListener("hashchange", () => {
  if (location.hash === "#main") return write(); // the link past the navigation
  read();
  for (const listener of listeners) listener();
});
