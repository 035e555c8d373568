// Two drawings: a sparkline, and the chart of events per second with a cursor.
import { drawing, element } from "./element.js";
import { clock, hour, rate, short } from "./format.js";

const SPAN_MS = 300_000;
const MARGIN = { top: 8, right: 2, bottom: 22, left: 46 };

// A round upper end for an axis, and its ticks.
export function ticks(greatest, wanted = 4) {
  const raw = Math.max(greatest, 1) / wanted;
  const magnitude = 10 ** Math.floor(Math.log10(raw));
  const step = Math.max([1, 2, 2.5, 5, 10].find((m) => m * magnitude >= raw) * magnitude, 1);
  const top = Math.ceil(Math.max(greatest, 1) / step) * step;
  return Array.from({ length: Math.round(top / step) + 1 }, (_, i) => i * step);
}

// The last `slots` values, newest at the right edge; over a null the line goes straight on.
export function sparkline(svg, values, slots = 60) {
  const shown = values.slice(-slots);
  const known = shown.map((value, i) => [i, value]).filter(([, value]) => value !== null);
  if (known.length < 2) return;
  const greatest = Math.max(...known.map(([, value]) => value), 1e-9);
  const x = (i) => ((100 * (slots - shown.length + i)) / (slots - 1)).toFixed(2);
  const points = known.map(([i, value]) => `${x(i)} ${(37 - (33 * Math.max(value, 0)) / greatest).toFixed(2)}`);
  svg.setAttribute("viewBox", "0 0 100 40");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.replaceChildren(
    drawing("path", { class: "area", d: `M${x(known[0][0])} 40L${points.join("L")}L${x(known.at(-1)[0])} 40Z` }),
    drawing("path", { d: `M${points.join("L")}` }));
}

export class EventChart {
  constructor(holder, series) {
    this.holder = holder;
    this.series = series; // [{ name, label, index }]
    this.samples = [];
    this.at = null;
    this.svg = drawing("svg", { role: "img", "aria-label": "Events per second over the last five minutes" });
    this.tooltip = element("div", { class: "tooltip", hidden: true });
    holder.append(this.svg, this.tooltip);
    new ResizeObserver(() => this.draw()).observe(holder);
    holder.addEventListener("pointermove", (event) => this.point(event.offsetX));
    holder.addEventListener("pointerleave", () => this.point(null));
  }

  show(samples) {
    this.samples = samples;
    this.draw();
  }

  point(x) {
    this.at = x;
    this.draw();
  }

  draw() {
    const { clientWidth: width, clientHeight: height } = this.holder;
    if (!width) return;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const last = this.samples.length ? this.samples.at(-1)[0] : Date.now();
    const scale = this.scale(width, height, last);
    this.svg.replaceChildren(...this.axes(scale, width), ...this.lines(scale));
    this.cursor(scale, width);
  }

  scale(width, height, last) {
    const first = last - SPAN_MS;
    const visible = this.samples.filter(([at]) => at >= first);
    const marks = ticks(Math.max(1, ...visible.flatMap((sample) => this.series.map((s) => sample[s.index]))));
    const inner = { w: width - MARGIN.left - MARGIN.right, h: height - MARGIN.top - MARGIN.bottom };
    return {
      first, last, visible, marks, bottom: MARGIN.top + inner.h,
      x: (at) => MARGIN.left + (inner.w * (at - first)) / SPAN_MS,
      y: (value) => MARGIN.top + inner.h * (1 - value / marks.at(-1)),
    };
  }

  axes(scale, width) {
    const nodes = scale.marks.flatMap((value) => [
      drawing("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: scale.y(value), y2: scale.y(value) }),
      drawing("text", { x: MARGIN.left - 8, y: scale.y(value) + 4, "text-anchor": "end" }, short(value)),
    ]);
    for (let at = Math.ceil(scale.first / 60_000) * 60_000; at <= scale.last; at += 60_000) {
      const x = scale.x(at);
      if (x < MARGIN.left + 18 || x > width - 22) continue;
      nodes.push(drawing("text", { x, y: scale.bottom + 17, "text-anchor": "middle" }, hour(at)));
    }
    return nodes;
  }

  lines(scale) {
    if (scale.visible.length < 2) return [];
    return this.series.map((s) => {
      const points = scale.visible.map((sample) => `${scale.x(sample[0]).toFixed(1)} ${scale.y(sample[s.index]).toFixed(1)}`);
      const ends = [scale.visible[0][0], scale.visible.at(-1)[0]].map((at) => scale.x(at).toFixed(1));
      const line = `M${points.join("L")}`;
      return drawing("g", { "data-series": s.name },
        s.area ? drawing("path", { class: "area", d: `${line}L${ends[1]} ${scale.bottom}L${ends[0]} ${scale.bottom}Z` }) : null,
        drawing("path", { d: line }));
    });
  }

  cursor(scale, width) {
    const near = this.at === null ? null : nearest(scale.visible, (sample) => Math.abs(scale.x(sample[0]) - this.at));
    this.tooltip.hidden = !near;
    if (!near) return;
    const x = scale.x(near[0]);
    this.svg.append(
      drawing("line", { class: "cursor", x1: x, x2: x, y1: MARGIN.top, y2: scale.bottom }),
      ...this.series.map((s) => drawing("circle", { "data-series": s.name, cx: x, cy: scale.y(near[s.index]), r: 3.5 })));
    this.tooltip.replaceChildren(element("p", {}, clock(near[0])), ...this.series.map((s) =>
      element("div", { "data-series": s.name }, element("span", {}, s.label), element("b", {}, `${rate(near[s.index])}/s`))));
    const wide = this.tooltip.offsetWidth + 12;
    this.tooltip.style.left = `${x + wide > width ? x - wide : x + 12}px`;
  }
}

function nearest(items, distance) {
  let best = null;
  for (const item of items) if (best === null || distance(item) < distance(best)) best = item;
  return best;
}
