// Which keys are picked. The address's fragment holds them, so that a reload and a link show the same.
const picked = new Map(); // a metric's name -> the key's values
const listeners = new Set();

function read() {
  picked.clear();
  for (const [name, text] of new URLSearchParams(location.hash.slice(1))) {
    try {
      const values = JSON.parse(text);
      if (Array.isArray(values) && values.length) picked.set(name, values);
    } catch { /* written by hand, or the place of another part of the page */ }
  }
}

function write() {
  const parameters = new URLSearchParams([...picked].map(([name, values]) => [name, JSON.stringify(values)]));
  history.replaceState(null, "", parameters.size ? `#${parameters}` : location.pathname + location.search);
}

// The key picked of a metric, where it has as many values as the metric has keys.
export function pickedOf({ name, by }) {
  const values = picked.get(name);
  return values?.length === Object.keys(by).length ? values : null;
}

export function pick(name, values) {
  if (values) picked.set(name, values);
  else picked.delete(name);
  write();
}

export function onPicked(listener) {
  listeners.add(listener);
}

read();
window.addEventListener("hashchange", () => {
  if (location.hash === "#main") return write(); // the link past the navigation
  read();
  for (const listener of listeners) listener();
});
