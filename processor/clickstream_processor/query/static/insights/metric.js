// What the page knows of one metric: its newest windows, those before them, and those of an hour before.
// At most three questions a refresh. Windows that are closed are never asked for again.
import { getJson } from "../common/api.js";
import { valuesOf } from "./words.js";

const ROWS = 50; // of a window, of which ten keys are shown: the others say how those ten were before
const ROWS_THEN = 200;
const WINDOWS = 60;
const FEWEST = 5;
const HOUR_MS = 3_600_000;
const SERIES_MS = 10_000;
const COUNTS = ["count", "sum", "distinct"]; // nothing of these is 0; there is no least of nothing

export class Metric {
  constructor(about) {
    this.about = about;
    this.keyless = !Object.keys(about.by).length;
    this.path = `api/metrics/${encodeURIComponent(about.name)}`;
    this.answer = null; // the last one of the newest windows
    this.newest = null;
    this.isAhead = false; // clicks are so far ahead of the clock that no window of now is kept
    this.compared = null; // { now, then, shiftMs }
    this.then = null;
    this.clock = null; // the pod's, as far as it is known
    this.reach = WINDOWS;
    this.series = new Map(); // a key's text, empty for the total -> { windows by start, askedAt, partial }
  }

  async refresh(picked) {
    await this.askNewest();
    if (!this.newest) return;
    await this.askThen();
    await this.askSeries(this.follows(picked));
  }

  // Whose series is shown: the picked key's; where there is no total, the largest key's; null: the total's.
  follows(picked) {
    if (picked || !this.newest || this.newest.total !== null || this.about.aggregate !== "distinct") return picked;
    return this.rows().find((row) => row.picks)?.values ?? null;
  }

  // The newest window's rows with their values in order; those that have a key of their own can be picked.
  rows() {
    return this.newest.rows.map((row) => {
      const values = valuesOf(this.about, row.keys);
      return { ...row, values, id: JSON.stringify(values), picks: values.some((value) => value !== "(other)") };
    });
  }

  // The windows to draw, oldest first; a value is null where nothing matched.
  drawn(key) {
    const known = this.series.get(idOf(key))?.windows ?? new Map();
    return this.starts().map((start) => {
      const window = known.get(start);
      if (!window) return { start, value: null };
      const running = window.window_end > this.podMs();
      return { start, end: window.window_end, value: this.valueOf(window, key), running, part: !this.isWhole(window) };
    });
  }

  // The values of the windows that are over, oldest first; null: no value.
  past(key) {
    const { windows } = this.seriesOf(key);
    const over = this.starts().map((start) => windows.get(start)).filter((window) => !window || window.window_end <= this.podMs());
    const value = (window) => (this.isWhole(window) ? this.valueOrNothing(window, key) : this.valueOf(window, key));
    return over.map((window) => (window ? value(window) : null));
  }

  valueOf(window, key) {
    return key ? this.rowOf(window, key)?.value ?? null : window.total;
  }

  rowOf(window, key) {
    const id = idOf(key);
    return window.rows.find((row) => JSON.stringify(valuesOf(this.about, row.keys)) === id);
  }

  // What a key counts in the newest window, by whichever answer has it; undefined: not asked yet.
  newestOf(key) {
    const row = this.rowOf(this.newest, key);
    if (row) return row;
    const window = this.series.get(idOf(key))?.windows.get(this.newest.window_start);
    return window ? this.rowOf(window, key) ?? { value: null } : undefined;
  }

  // A key's values in the last window that is over, and in the one long before; null: not known.
  valuesThen(key) {
    if (!this.compared) return null;
    const { now, then } = this.compared;
    return { now: this.valueOrNothing(now, key), before: this.valueOrNothing(then, key) };
  }

  // Each key's values in the two windows that are compared, where both are known.
  moves() {
    const { now, then } = this.compared;
    const nothing = { value: null };
    const byKey = (window) => new Map(window.rows.map((row) => [JSON.stringify(valuesOf(this.about, row.keys)), row]));
    const [after, before] = [byKey(now), byKey(then)];
    const keys = [...new Set([...after.keys(), ...before.keys()])].map((id) => ({ id, values: JSON.parse(id) }));
    return keys.filter(({ values }) => values.some((value) => value !== "(other)")).map(({ id, values }) => ({
      values,
      now: (after.get(id) ?? nothing).value ?? this.absent(now),
      before: (before.get(id) ?? nothing).value ?? this.absent(then),
    })).filter((move) => move.now !== null && move.before !== null);
  }

  // What a key counts that a window does not have.
  absent(window) {
    const isAll = window.keys === window.rows.length && window.keys < ROWS; // and nothing is in (other)
    return isAll && COUNTS.includes(this.about.aggregate) ? 0 : null;
  }

  // As valueOf; 0 where it is sure that nothing counted.
  valueOrNothing(window, key) {
    if (key) return this.valueOf(window, key) ?? this.absent(window);
    return window.total ?? (window.rows.length ? null : this.absent(window));
  }

  // The newest window that is complete; null: none yet. Where the clicks' time is not known, or stands, the clock says it.
  complete(key) {
    if (!this.newest || this.compared) return this.compared?.now ?? null;
    const known = key ? this.answer.windows : [...this.seriesOf(null).windows.values(), ...this.answer.windows];
    const over = known.filter((window) => window.window_end <= this.podMs()).sort((a, b) => a.window_start - b.window_start);
    return over.findLast((window) => this.isPassed(window)) ?? over.at(-1) ?? null;
  }

  isPassed(window) {
    return window.window_end <= Math.min(this.podMs(), this.answer.time_ms ?? 0);
  }

  async askNewest() {
    const { size_ms: size, advance_ms: advance } = this.about.window;
    const latest = this.clock && Math.max(0, Math.floor((this.podMs() + advance - size) / advance) * advance);
    const which = latest ? `from=${latest - advance}` : "window=latest";
    const { data } = await this.ask(`${which}&top=${ROWS}`, () => { this.clock = null; });
    this.clock = data.windows.length ? { pod: data.as_of_ms + data.staleness_ms, here: performance.now() } : null;
    this.isAhead = !data.windows.length;
    if (this.isAhead) return;
    this.answer = data;
    this.newest = data.windows.at(-1);
    if (this.about.aggregate !== "distinct" || this.keyless) {
      for (const window of data.windows) this.keep(null, window);
    }
  }

  // The window that is over is compared: the newest one still fills. What was compared stays for a while.
  async askThen() {
    const { advance_ms: advance, retention_ms: retention } = this.about.window;
    const now = this.answer.windows.findLast((window) => this.isPassed(window));
    const shiftMs = shift(advance, retention);
    if (!now || !shiftMs) {
      if (this.compared && this.compared.now.window_start < this.newest.window_start - 3 * advance) this.compared = null;
      return;
    }
    const start = now.window_start - shiftMs;
    if (start < this.answer.kept_from_ms || !this.isWhole({ window_start: start })) {
      this.compared = null;
      return;
    }
    if (this.then?.window_start !== start || !this.then.closed) {
      const { data } = await this.ask(`from=${start}&to=${start + 1}&top=${ROWS_THEN}`);
      this.then = data.partial ? null : data.windows[0] ?? null;
    }
    this.compared = this.then && { now, then: this.then, shiftMs };
  }

  async askSeries(key) {
    const series = this.seriesOf(key);
    const starts = this.starts();
    const due = key || performance.now() - series.askedAt >= SERIES_MS;
    const first = starts.find((start) => !series.windows.get(start)?.closed);
    if (!due || first === undefined) return;
    const by = key ? Object.keys(this.about.by).map((name, i) => `&by.${name}=${encodeURIComponent(String(key[i]))}`).join("") : "";
    const top = key ? 2 ** key.length : 1; // a text and another kind of value may read the same
    const fewer = () => { this.reach = Math.max(FEWEST, Math.floor(this.reach / 2)); };
    const { data } = await this.ask(`from=${first}&to=${starts.at(-1) + 1}&top=${top}${by}`, fewer);
    series.askedAt = performance.now();
    series.partial = data.partial;
    for (const window of data.windows) this.keep(key, window);
    for (const start of series.windows.keys()) if (start < starts[0]) series.windows.delete(start);
  }

  async ask(query, onTooMuch = () => {}) {
    try {
      return await getJson(`${this.path}?${query}`);
    } catch (problem) {
      if (problem.kind === "too-much-to-read") onTooMuch();
      throw problem;
    }
  }

  seriesOf(key) {
    const id = idOf(key);
    if (!this.series.has(id)) {
      if (this.series.size > 20) this.series.clear();
      this.series.set(id, { windows: new Map(), askedAt: -Infinity, partial: false });
    }
    return this.series.get(id);
  }

  keep(key, window) {
    this.seriesOf(key).windows.set(window.window_start, window);
  }

  // The starts of the windows to draw.
  starts() {
    const { advance_ms: advance } = this.about.window;
    const last = this.newest.window_start;
    return Array.from({ length: this.reach }, (_, i) => last - (this.reach - 1 - i) * advance)
      .filter((start) => start >= this.answer.kept_from_ms && start >= 0);
  }

  isWhole(window) {
    return this.answer.since_ms !== null && window.window_start >= this.answer.since_ms;
  }

  podMs() {
    return this.clock ? this.clock.pod + performance.now() - this.clock.here : this.newest.window_end;
  }
}

const idOf = (key) => (key ? JSON.stringify(key) : "");

// How long before: an hour, or the longest the retention has, in whole advances; 0: no such window is kept.
function shift(advance, retention) {
  const longest = retention >= HOUR_MS ? Math.max(HOUR_MS, advance) : retention - advance;
  const shiftMs = Math.floor(longest / advance) * advance;
  return shiftMs <= retention ? Math.max(shiftMs, 0) : 0;
}
