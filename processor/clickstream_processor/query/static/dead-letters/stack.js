// Letters over time as stacked bars, one colour a reason; a bar is a button that narrows the time to its span.
import { timeLabels } from "../common/bars.js";
import { ticks } from "../common/chart.js";
import { drawing } from "../common/element.js";
import { count, moment, short } from "../common/format.js";

const MARGIN = { top: 6, right: 2, bottom: 20, left: 42 };
const LEAST = 12; // bars: so few would be too wide

export class Stack {
  constructor(holder, onNarrow) {
    this.holder = holder;
    this.onNarrow = onNarrow;
    this.data = { buckets: [], bucket_ms: 1000 };
    this.reasons = [];
    new ResizeObserver(() => this.draw()).observe(holder);
  }

  // `reasons`: [reason, hue] of those that are shown, the lowest first.
  show(data, reasons) {
    this.data = data;
    this.reasons = reasons;
    this.draw();
  }

  draw() {
    const { clientWidth: width, clientHeight: height } = this.holder;
    const { buckets, bucket_ms: span } = this.data;
    if (!width || !buckets.length) return this.holder.replaceChildren();
    const heights = buckets.map(({ reasons }) => this.reasons.reduce((sum, [reason]) => sum + (reasons[reason] ?? 0), 0));
    const end = buckets.at(-1).at_ms + span;
    const first = Math.min(buckets[0].at_ms, end - LEAST * span);
    const marks = ticks(Math.max(...heights), 3);
    const inner = { w: width - MARGIN.left - MARGIN.right, h: height - MARGIN.top - MARGIN.bottom };
    const x = (at) => MARGIN.left + (inner.w * (at - first)) / (end - first);
    const y = (value) => MARGIN.top + inner.h * (1 - value / marks.at(-1));
    const svg = drawing("svg", { viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": "Dead letters over time; choose a bar to narrow the time" });
    for (const value of marks) {
      svg.append(
        drawing("line", { class: "grid", x1: MARGIN.left, x2: width, y1: y(value), y2: y(value) }),
        drawing("text", { x: MARGIN.left - 8, y: y(value) + 4, "text-anchor": "end" }, short(value)));
    }
    buckets.forEach((bucket, i) => { if (heights[i]) svg.append(this.bar(bucket, span, x, y, inner.h)); });
    svg.append(...timeLabels(first, end, span, x, height, width));
    this.holder.replaceChildren(svg);
  }

  bar({ at_ms: at, reasons }, span, x, y, tall) {
    const [left, wide] = [x(at), Math.max(x(at + span) - x(at), 2)];
    const narrow = () => this.onNarrow(at, at + span);
    const shown = this.reasons.filter(([reason]) => reasons[reason]);
    const title = `${moment(at)}: ${shown.map(([reason]) => `${reason} ${count(reasons[reason])}`).join(", ")}`;
    const gap = wide > 6 ? 2 : wide > 3 ? 1 : 0;
    let below = 0;
    const parts = shown.map(([reason, hue]) => {
      const from = below;
      below += reasons[reason];
      return drawing("rect", { class: "part", "data-hue": hue, x: left + gap / 2, width: Math.max(wide - gap, 1), y: y(below), height: Math.max(y(from) - y(below), 1) });
    });
    return drawing("g", {
      class: "bucket", role: "button", tabindex: "0", "aria-label": title, onclick: narrow,
      onkeydown: (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); narrow(); } },
    },
      drawing("title", {}, title),
      drawing("rect", { class: "hit", x: left, y: MARGIN.top, width: wide, height: tall, rx: 3 }),
      ...parts);
  }
}
