// The machine view: one event stream in, everything on the page follows from the last summary.
import { events } from "../common/api.js";
import { EventChart, sparkline } from "../common/chart.js";
import { element, setText } from "../common/element.js";
import { count, duration, percent, rate, short } from "../common/format.js";
import { LatestClicks } from "../user/clicks.js";
import { UserLookup } from "../user/lookup.js";
import { Person } from "../user/person.js";
import { RawAnswer } from "../user/raw.js";
import { Sessions } from "../user/sessions.js";
import { advice } from "./advice.js";

const HISTORY_MS = 300_000;
const SPARK = 60;
const AWAY_MS = 5000; // a pod hears from a broker each second
const HIDDEN_MS = 60_000; // a tab nobody sees lets go of its stream after a minute

const chart = new EventChart(document.getElementById("chart"), [
  { name: "clicks", label: "Clicks", index: 1, area: true },
  { name: "enriched", label: "Enriched", index: 2 },
  { name: "dead", label: "Dead letters", index: 3 },
]);
const seconds = new Map(); // at_ms -> [at_ms, clicks, enriched, dead-lettered]
const recent = { lag: [], queries: [] };

function remember(summary) {
  for (const sample of summary.history) seconds.set(sample[0], sample);
  for (const at of seconds.keys()) if (at < summary.at_ms - HISTORY_MS - 5000) seconds.delete(at);
  for (const [name, value] of [["lag", summary.lag.records], ["queries", summary.rates.queries]]) {
    if (value !== null) recent[name] = [...recent[name], value].slice(-SPARK);
  }
}

// What to say while no pod hears from Kafka; empty while one does.
function away({ kafka_silent_ms: silent }) {
  if (silent === null) return "Kafka has not answered yet";
  return silent > AWAY_MS ? `Kafka away for ${duration(silent)}` : "";
}

function figures(summary) {
  const { rates, totals, lag } = summary;
  setText("rate-clicks", rate(rates.clicks));
  setText("rate-enriched", rate(rates.enriched));
  setText("rate-dead", rate(rates.dead_lettered));
  setText("rate-queries", rate(rates.queries));
  setText("total-clicks", count(totals.clicks));
  setText("total-enriched", count(totals.enriched));
  setText("total-dead", count(totals.dead_lettered));
  const known = lag.records !== null;
  setText("lag-records", known ? short(lag.records) : "–");
  setText("lag-unit", !known ? "" : lag.records === 1 ? "click" : "clicks");
  setText("lag-ms", !known ? away(summary) ? "unknown" : "not known of every task" : lag.ms ? `${duration(lag.ms)} behind` : lag.records ? "catching up" : "up to date");
  setText("cpu", rates.cpu.toFixed(2));
}

function charts() {
  const samples = [...seconds.values()].sort((a, b) => a[0] - b[0]);
  chart.show(samples);
  for (const [name, index] of [["clicks", 1], ["enriched", 2], ["dead", 3]]) {
    sparkline(document.getElementById(`spark-${name}`), samples.map((sample) => sample[index]), SPARK);
  }
  sparkline(document.getElementById("spark-lag"), recent.lag);
  sparkline(document.getElementById("spark-queries"), recent.queries);
}

function deadLetters({ dead_letters: reasons, dead_lettered: total, clicks }) {
  const holder = document.getElementById("dead");
  setText("dead-share", total ? `${percent(total, clicks)} of all clicks` : "");
  if (!total) {
    holder.replaceChildren(element("p", { class: "empty" }, clicks ? "None: every click could be processed." : "None so far."));
    return;
  }
  const ordered = Object.entries(reasons).filter(([, n]) => n).sort((a, b) => b[1] - a[1]);
  holder.replaceChildren(element("ul", { class: "reasons" }, ...ordered.map(([reason, n]) => {
    const bar = element("i");
    bar.style.width = `${(100 * n) / ordered[0][1]}%`;
    return element("li", {}, element("span", {}, reason), element("span", {}, count(n)), element("span", { class: "bar", "aria-hidden": "true" }, bar));
  })));
}

const PHASES = {
  running: "running", restoring: "restoring", waiting: "waiting", stopped: "stopped", unknown: "no answer", none: "no owner",
};

const colour = (ordinal) => (ordinal === null ? "none" : ordinal % 8);

function tasks(summary) {
  const list = summary.tasks.map((task) => {
    const phase = task.owner === null ? "none" : task.phase;
    const owner = task.owner === null ? "–" : `pod ${task.owner}`;
    const stuck = phase === "running" && task.detail !== "";
    const behind = stuck ? "no commit" : phase === "running" && task.lag_records > 0 ? `${short(task.lag_records)} behind` : "";
    const standbys = task.standbys.length ? `, standby ${task.standbys.map((n) => `pod ${n}`).join(", ")}` : "";
    const text = `${task.task}: ${owner}, ${PHASES[phase]}${behind && `, ${behind}`}${standbys}${task.detail ? `. ${task.detail}` : ""}`;
    return element("li", { class: "task", "data-pod": colour(task.owner), "data-phase": stuck ? "stopped" : phase, title: text },
      element("small", { "aria-hidden": "true" }, String(task.partition)), element("b", {}, owner), element("span", {}, behind || PHASES[phase]));
  });
  document.getElementById("tasks").replaceChildren(...list);
  stopped(summary.tasks.filter((task) => task.phase === "stopped"));
  const orphans = summary.tasks_without_owner.length;
  const unwell = summary.tasks.filter((task) => task.owner !== null && task.phase !== "running").length;
  const stuck = summary.tasks.filter((task) => task.owner !== null && task.phase === "running" && task.detail).length;
  const note = orphans ? `${orphans} without owner` : unwell ? `${unwell} not running` : stuck ? `${stuck} running without a commit` : "all running";
  setText("tasks-note", `${summary.tasks.length} partitions, ${note} · generation ${summary.generation}`);
}

// Why tasks are stopped: tasks with one reason stand in one line.
function stopped(tasks) {
  const reasons = new Map();
  for (const { task, owner, detail } of tasks) {
    const reason = `on pod ${owner}: ${detail || "its log says why"}`;
    reasons.set(reason, [...(reasons.get(reason) ?? []), task]);
  }
  document.getElementById("stopped").replaceChildren(...[...reasons].map(([reason, names]) =>
    element("li", {}, element("strong", {}, names.join(", ")), ` stopped ${reason}`)));
}

function pods(summary) {
  const now = summary.at_ms;
  document.getElementById("pods").replaceChildren(...summary.pods.map((pod) => {
    const name = element("td", {}, element("span", { class: "swatch", "data-pod": colour(pod.ordinal) }), `pod ${pod.ordinal}`);
    if (!pod.answered) return element("tr", {}, name, element("td", { colspan: "7" }, element("span", { class: "pill bad" }, "silent")));
    const heard = pod.brokers_seen_ms !== null && pod.routes_as_of_ms !== null;
    const cut = now - Math.min(pod.brokers_seen_ms, pod.routes_as_of_ms) > AWAY_MS;
    const failing = pod.commit_failures_in_a_row > 1;
    const state = !pod.ready || !heard ? ["", "starting"] : cut ? ["bad", "cut off from Kafka"] : failing ? ["bad", `${pod.commit_failures_in_a_row} commits failed`] : ["good", "ready"];
    const cells = [count(pod.owned), count(pod.standby), rate(pod.rates.clicks), rate(pod.rates.queries), `${Math.round(100 * pod.rates.cpu)} %`, count(pod.clicks)];
    return element("tr", {}, name, element("td", {}, element("span", { class: `pill ${state[0]}`, title: pod.commit_error }, state[1])), ...cells.map((text) => element("td", { class: "number" }, text)));
  }));
}

function incidents({ quarantined, refused_profiles: refused }) {
  const rows = [...quarantined, ...refused].sort((a, b) => b.at_ms - a.at_ms);
  document.getElementById("incidents-card").hidden = !rows.length;
  document.getElementById("incidents").replaceChildren(...rows.map((row) => element("tr", {},
    element("td", {}, new Date(row.at_ms).toLocaleString()), element("td", {}, row.topic),
    element("td", { class: "number" }, String(row.partition)), element("td", { class: "number" }, String(row.offset)),
    element("td", {}, row.reason), element("td", { class: "wrap" }, row.error))));
}

function show(summary) {
  setText("pipeline", `${summary.pipeline.namespace} / ${summary.pipeline.name}`);
  setText("answered-by", `pod ${summary.answered_by}`);
  document.getElementById("partial").hidden = !summary.partial;
  document.getElementById("away").hidden = !away(summary);
  setText("away", away(summary));
  document.title = `${rate(summary.rates.clicks)}/s · ${summary.pipeline.name} · Clickstream`;
  remember(summary);
  figures(summary);
  charts();
  deadLetters(summary.totals);
  const todo = advice(summary);
  document.getElementById("advice").hidden = !todo;
  setText("advice", todo);
  tasks(summary);
  incidents(summary.incidents ?? { quarantined: [], refused_profiles: [] });
  pods(summary);
}

function setState(state, text) {
  const node = document.getElementById("state");
  node.dataset.state = state;
  setText("state", text);
}

const visible = () => new Promise((resolve) => {
  if (!document.hidden) resolve();
  else document.addEventListener("visibilitychange", resolve, { once: true });
});

async function follow() {
  let wait = 1000;
  for (;;) {
    await visible();
    const leaving = new AbortController();
    let timer = 0;
    const onVisibility = () => {
      clearTimeout(timer);
      if (document.hidden) timer = setTimeout(() => leaving.abort(), HIDDEN_MS);
    };
    document.addEventListener("visibilitychange", onVisibility);
    try {
      for await (const summary of events("api/stream", leaving.signal)) {
        setState("live", "Live");
        wait = 1000;
        show(summary);
      }
    } catch (error) {
      if (error.name !== "AbortError") setState("lost", error.status === 401 ? "Needs a token" : "Reconnecting");
    } finally {
      document.removeEventListener("visibilitychange", onVisibility);
      clearTimeout(timer);
    }
    setState(leaving.signal.aborted ? "connecting" : "lost", leaving.signal.aborted ? "Paused" : "Reconnecting");
    await new Promise((resolve) => setTimeout(resolve, wait));
    wait = Math.min(wait * 2, 10_000);
  }
}

new UserLookup([new Person(), new Sessions(), new RawAnswer()], [new LatestClicks()]);
follow();
