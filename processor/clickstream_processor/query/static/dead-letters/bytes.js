// Bytes of a record as text or as hex with offsets. Characters that change how a line reads are shown by their number.
import { element } from "../common/element.js";

const ODD = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;
const ROW = 16;
const MOST = 4_096; // bytes as hex; the DOM of more is slow

export function size(bytes) {
  if (bytes < 1_024) return `${bytes} B`;
  return bytes < 1_048_576 ? `${(bytes / 1_024).toFixed(1)} KiB` : `${(bytes / 1_048_576).toFixed(1)} MiB`;
}

// A text as nodes: what is not seen, or turns the direction of what follows, stands there as U+202E.
export function safely(text) {
  const nodes = [];
  let at = 0;
  for (const match of text.matchAll(ODD)) {
    if (match.index > at) nodes.push(text.slice(at, match.index));
    const number = match[0].codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
    nodes.push(element("span", { class: "odd" }, `U+${number}`));
    at = match.index + match[0].length;
  }
  if (at < text.length || !nodes.length) nodes.push(text.slice(at));
  return nodes;
}

// One line of a key or a detail: hex begins with 0x.
export function short(bytes) {
  if (bytes === null) return [element("i", {}, "none")];
  if (!bytes.size) return [element("i", {}, "empty")];
  return bytes.encoding === "hex" ? [`0x${bytes.data.slice(0, 64)}`] : safely(bytes.data.slice(0, 200));
}

function dump(data) {
  const lines = [];
  for (let at = 0; at < Math.min(data.length, MOST); at += ROW) {
    const row = [...data.slice(at, at + ROW)];
    const hex = row.map((byte) => byte.toString(16).padStart(2, "0"));
    const halves = `${hex.slice(0, 8).join(" ").padEnd(24)} ${hex.slice(8).join(" ").padEnd(23)}`;
    const text = row.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".")).join("");
    lines.push(`${at.toString(16).padStart(8, "0")}  ${halves}  |${text}|`);
  }
  return lines.join("\n");
}

const fromHex = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));

// A block with a title, the bytes, and a choice between text and hex where they are text.
export function block(title, bytes) {
  const head = element("div", { class: "block-head" }, element("h3", {}, title));
  if (bytes === null || !bytes.size) {
    const words = bytes === null ? `No ${title.toLowerCase()}.` : "Empty: 0 bytes.";
    return element("section", { "aria-label": title }, head, element("p", { class: "muted" }, words));
  }
  const raw = element("pre", { class: "raw", tabindex: "0", "aria-label": `${title}, as it came` });
  const note = element("span", { class: "muted" });
  const isText = bytes.encoding === "text";
  const data = isText ? new TextEncoder().encode(bytes.data) : fromHex(bytes.data);
  const show = (asText) => {
    raw.classList.toggle("text", asText);
    raw.replaceChildren(...(asText ? safely(bytes.data) : [dump(data)]));
    const shown = asText ? data.length : Math.min(data.length, MOST);
    note.textContent = shown < bytes.size ? `${size(bytes.size)}, the first ${size(shown)} shown` : size(bytes.size);
    for (const button of buttons) button.setAttribute("aria-pressed", String((button.textContent === "Text") === asText));
  };
  const buttons = isText
    ? ["Text", "Hex"].map((name) => element("button", { type: "button", "aria-label": `${title} as ${name.toLowerCase()}`, onclick: () => show(name === "Text") }, name))
    : [element("span", { class: "pill plain" }, "no text: hex")];
  head.append(note, ...buttons);
  if (!isText) buttons.length = 0;
  show(isText);
  return element("section", { "aria-label": title }, head, raw);
}
