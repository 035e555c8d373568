// What metrics, keys, values and changes are called.
import { count, duration } from "../common/format.js";

const OTHER = "(other)";
const UNITS = [["d", 86_400_000], ["h", 3_600_000], ["min", 60_000], ["s", 1000], ["ms", 1]];
const small = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });

// page-views -> Page views
export function title(name) {
  const words = name.replaceAll("-", " ");
  return words[0].toUpperCase() + words.slice(1);
}

export function length(ms) {
  const [unit, size] = UNITS.find(([, each]) => ms >= each && ms % each === 0) ?? ["ms", 1];
  return `${ms / size} ${unit}`;
}

// count by page, last 5 min; of sessions where those are counted
export function about({ aggregate, value, by, window, of: counted }) {
  const what = [aggregate, value && aggregate !== "distinct" && "of", value, counted === "sessions" && "of sessions"].filter(Boolean).join(" ");
  const keys = Object.keys(by);
  const span = `${window.advance_ms < window.size_ms ? "last" : "each"} ${length(window.size_ms)}`;
  return `${what}${keys.length ? ` by ${keys.join(" and ")}` : ""}, ${span}`;
}

export const number = (n) => (Math.abs(n) < 1 && n !== 0 ? small.format(n) : count(n));

// A key's values, in the metric's order; what the page knows a key by.
export const valuesOf = (about, keys) => Object.keys(about.by).map((name) => keys[name]);
export const isOther = (values) => values.length > 0 && values.every((value) => value === OTHER);

const shown = (value) => (value === null ? "(none)" : value === "" ? "(empty)" : String(value));
export const keyText = (values) => values.map(shown).join(" · ");

// A value as people read it, and how sure it is; of a row of a distinct count that is an estimate.
export function estimate({ exact, lower, upper }) {
  if (exact !== false) return { sign: "", note: null };
  return { sign: "≈ ", note: `An estimate, most likely ${count(lower)} to ${count(upper)}` };
}

// From one value to another: for the eye and for a screen reader. null: there is nothing to say.
export function change(before, now, shiftMs) {
  if (before === null || before === undefined || now === null || now === undefined) return null;
  const since = `than ${ago(shiftMs)} before`;
  if (before === 0) return now === 0 ? null : { text: "new", said: `new, nothing ${ago(shiftMs)} before`, way: "up" };
  const percent = (100 * (now - before)) / Math.abs(before);
  const size = Math.abs(percent) < 10 ? Math.round(Math.abs(percent) * 10) / 10 : Math.round(Math.abs(percent));
  if (!size) return { text: "± 0 %", said: `as much as ${ago(shiftMs)} before`, way: "same" };
  const up = percent > 0;
  const text = size >= 1000 && before > 0 ? `${count(Math.round(now / before))} ×` : `${count(size)} %`;
  return { text: `${up ? "▲" : "▼"} ${text}`, said: `${count(size)} percent ${up ? "more" : "less"} ${since}`, way: up ? "up" : "down" };
}

export const ago = (ms) => (ms === 3_600_000 ? "an hour" : ms === 86_400_000 ? "a day" : length(ms));
export const old = (ms) => `${duration(ms)} old`;
