// One value for each window as bars, the newest at the right edge.
import { drawing, element } from "../common/element.js";
import { hour, moment, short } from "../common/format.js";
import { number } from "./words.js";

const DAY_MS = 86_400_000;
const SLOTS = 60;
const TALL = 96;
const TOP = 14;

// `what` says whose windows these are. Returns nodes for a figure.
export function bars(width, windows, what) {
  const known = windows.filter((window) => window.value !== null);
  if (!known.length) return [element("p", { class: "empty" }, "No window has a value yet.")];
  const values = known.map((window) => window.value);
  const [least, most] = [Math.min(0, ...values), Math.max(0, ...values)];
  const y = (value) => TOP + ((TALL - TOP - 1) * (most - value)) / (most - least || 1);
  const wide = width / SLOTS;
  const svg = drawing("svg", { viewBox: `0 0 ${width} ${TALL}`, role: "img", "aria-label": said(known, what) },
    drawing("line", { class: "grid", x1: 0, x2: width, y1: y(most), y2: y(most) }),
    drawing("text", { x: 0, y: TOP - 4 }, most < 10 ? number(most) : short(Math.round(most))),
    ...windows.map((window, i) => bar(window, width - (windows.length - i) * wide, wide, y)),
    drawing("line", { class: "grid", x1: 0, x2: width, y1: y(0), y2: y(0) }));
  return [svg, element("p", { class: "ends muted" },
    element("span", {}, at(windows[0].start)), element("span", {}, known.at(-1).running ? "now" : at(known.at(-1).end)))];
}

function bar(window, x, wide, y) {
  const gap = Math.min(2, wide / 4);
  const zero = y(0);
  const ends = window.value === null ? [zero, zero] : [Math.min(y(window.value), zero), Math.max(y(window.value), zero)];
  const note = window.running ? ", still counting" : window.part ? ", counted in part" : "";
  return drawing("g", { class: "window", "data-part": window.part, "data-running": window.running },
    drawing("title", {}, window.value === null ? `${moment(window.start)}: nothing` : `${moment(window.start)}: ${number(window.value)}${note}`),
    drawing("rect", { class: "hit", x, y: TOP, width: wide, height: TALL - TOP }),
    window.value ? drawing("rect", { class: "bar", x: x + gap / 2, y: ends[0], width: wide - gap, height: Math.max(ends[1] - ends[0], 1), rx: 1 }) : null);
}

const at = (ms) => (Date.now() - ms > DAY_MS / 2 ? moment(ms).slice(0, -3) : hour(ms));

function said(known, what) {
  const values = known.map((window) => window.value);
  const windows = known.length === 1 ? "one window" : `the last ${known.length} windows with a value`;
  return `${what} in ${windows}, from ${at(known[0].start)}: lowest ${number(Math.min(...values))}, `
    + `highest ${number(Math.max(...values))}, newest ${number(values.at(-1))}`;
}
