// What bars over time have in common.
import { drawing } from "./element.js";
import { clock, date, hour } from "./format.js";

export const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

// Times below bars that span from `first` to `end`, ms; one bar is `span`. They are as exact as a bar is wide.
export function timeLabels(first, end, span, x, height, width) {
  const wanted = Math.max(2, Math.min(8, Math.floor(width / 130)));
  const step = Math.max(span, Math.ceil((end - first) / wanted / span) * span);
  const text = words(span, end - first);
  const nodes = [];
  for (let at = first; at < end; at += step) {
    if (x(at) > width - 80) break;
    nodes.push(drawing("text", { x: x(at), y: height - 4 }, text(at)));
  }
  return nodes;
}

function words(span, whole) {
  if (span >= DAY_MS) return date;
  if (whole > DAY_MS) return (at) => `${date(at)} ${hour(at)}`;
  return span < MINUTE_MS ? clock : hour;
}
