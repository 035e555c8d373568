// Hits over time as bars; a bar is a button that narrows the search to its span.
import { DAY_MS, timeLabels } from "../common/bars.js";
import { ticks } from "../common/chart.js";
import { drawing, element } from "../common/element.js";
import { count, moment, short } from "../common/format.js";

const MS = { s: 1000, m: 60_000, h: 3_600_000, d: DAY_MS, M: 30.44 * DAY_MS, y: 365.25 * DAY_MS };
const MARGIN = { top: 6, right: 2, bottom: 20, left: 42 };

export function spanOf(interval) {
  const match = /^(\d+)(\w+)$/.exec(interval);
  return match ? Number(match[1]) * (MS[match[2]] ?? 1000) : 1000;
}

export class Histogram {
  constructor(holder, onNarrow) {
    this.holder = holder;
    this.onNarrow = onNarrow;
    this.data = { interval: "", buckets: [] };
    new ResizeObserver(() => this.draw()).observe(holder);
  }

  show(data) {
    this.data = data;
    this.draw();
  }

  draw() {
    const { clientWidth: width, clientHeight: height } = this.holder;
    const { buckets, interval } = this.data;
    if (!width) return;
    if (!buckets.length) {
      this.holder.replaceChildren(element("p", { class: "empty" }, "No hits to show."));
      return;
    }
    const span = spanOf(interval);
    const first = buckets[0].at_ms;
    const end = buckets.at(-1).at_ms + span;
    const marks = ticks(Math.max(...buckets.map((b) => b.clicks)), 3);
    const inner = { w: width - MARGIN.left - MARGIN.right, h: height - MARGIN.top - MARGIN.bottom };
    const x = (at) => MARGIN.left + (inner.w * (at - first)) / (end - first);
    const y = (value) => MARGIN.top + inner.h * (1 - value / marks.at(-1));
    const svg = drawing("svg", { viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": "Hits over time; choose a bar to narrow the search" });
    for (const value of marks) {
      svg.append(
        drawing("line", { class: "grid", x1: MARGIN.left, x2: width, y1: y(value), y2: y(value) }),
        drawing("text", { x: MARGIN.left - 8, y: y(value) + 4, "text-anchor": "end" }, short(value)));
    }
    for (const bucket of buckets) svg.append(this.bar(bucket, span, x, y, inner.h));
    svg.append(...timeLabels(first, end, span, x, height, width));
    this.holder.replaceChildren(svg);
  }

  bar({ at_ms: at, clicks }, span, x, y, tall) {
    const [left, wide] = [x(at), Math.max(x(at + span) - x(at), 2)];
    const narrow = () => this.onNarrow(at, at + span);
    const title = `${moment(at)}: ${count(clicks)}`;
    const gap = wide > 6 ? 2 : wide > 3 ? 1 : 0;
    return drawing("g", {
      class: "bucket", role: "button", tabindex: clicks ? "0" : "-1", "aria-label": title, onclick: narrow,
      onkeydown: (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); narrow(); } },
    },
      drawing("title", {}, title),
      drawing("rect", { class: "hit", x: left, y: MARGIN.top, width: wide, height: tall, rx: 3 }),
      clicks ? drawing("rect", { class: "bar", x: left + gap / 2, y: Math.min(y(clicks), y(0) - 1.5), width: Math.max(Math.min(wide - gap, 56), 1), height: Math.max(y(0) - y(clicks), 1.5), rx: Math.min(2, wide / 4) }) : null);
  }
}
