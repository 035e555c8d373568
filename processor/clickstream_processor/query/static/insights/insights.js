// The product page: a headline and a card for each metric that the pipeline has, each asked for on its own.
import { onAddress } from "../common/address.js";
import { getJson } from "../common/api.js";
import { failure, setText } from "../common/element.js";
import { LatestClicks } from "../user/clicks.js";
import { UserLookup } from "../user/lookup.js";
import { Person } from "../user/person.js";
import { Sessions } from "../user/sessions.js";
import { Card } from "./card.js";
import { Headline } from "./headline.js";
import { Metric } from "./metric.js";
import { Moves } from "./moves.js";

const AGAIN_MS = 2000;
const LIST_MS = 30_000;
const LONGEST_MS = 30_000;
const AT_ONCE = 2; // cards that ask: a pod makes as many long reads

const holder = document.getElementById("cards");
let cards = [];
let defined = "";
let free = AT_ONCE;
const waiting = [];

const visible = () => new Promise((resolve) => {
  if (!document.hidden) return resolve();
  setState("connecting", "Paused");
  document.addEventListener("visibilitychange", () => resolve(visible()), { once: true });
});

async function inTurn(work) {
  if (free) free -= 1;
  else await new Promise((resolve) => waiting.push(resolve));
  try {
    return await work();
  } finally {
    const next = waiting.shift();
    if (next) next();
    else free += 1;
  }
}

class Follower {
  constructor(about) {
    this.metric = new Metric(about);
    this.card = new Card(this.metric, () => this.hurry());
    this.headline = new Headline(this.metric, () => this.card.goTo());
    this.moves = new Moves(this.metric, (values) => this.card.choose(values));
    this.over = false;
    this.failed = false;
    this.hurried = false;
    this.wake = () => {};
    this.follow();
  }

  hurry() {
    this.hurried = true;
    this.wake();
  }

  async follow() {
    let wait = AGAIN_MS;
    while (!this.over) {
      const isFirst = !this.metric.newest;
      await visible();
      try {
        await inTurn(() => this.over || this.metric.refresh(this.card.picked));
        wait = isFirst && this.metric.newest ? 0 : AGAIN_MS; // now it knows the pod's clock, and what is complete
        this.failed = false;
        this.card.trouble(null);
      } catch (problem) {
        wait = Math.min(2 * Math.max(wait, AGAIN_MS / 2), LONGEST_MS);
        this.failed = true;
        this.card.trouble(problem, problem.status === 401 ? null : wait);
        if (problem.status === 401) return;
      }
      this.card.draw();
      this.headline.draw();
      this.moves.draw();
      state();
      await this.pause(wait);
    }
  }

  // Waits; ends at once when a key was picked meanwhile.
  pause(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wake = () => { if (this.hurried) { this.hurried = false; clearTimeout(timer); resolve(); } };
      this.wake();
    });
  }
}

function setState(name, text) {
  document.getElementById("state").dataset.state = name;
  setText("state", text);
}

function state() {
  const failed = cards.filter((card) => card.failed).length;
  if (document.hidden) return;
  if (cards.length && failed === cards.length) setState("lost", "Reconnecting");
  else setState("live", "Live");
}

// A metric that is defined as before keeps its card.
function show(list) {
  const definitions = list.metrics.map(({ since_ms: _since, time_ms: _time, ...about }) => about);
  document.getElementById("partial").hidden = !list.partial;
  document.getElementById("headlines").hidden = !definitions.length;
  if (defined === JSON.stringify(definitions)) return;
  defined = JSON.stringify(definitions);
  const before = new Map(cards.map((card) => [JSON.stringify(card.metric.about), card]));
  cards = definitions.map((about) => before.get(JSON.stringify(about)) ?? new Follower(about));
  for (const card of before.values()) if (!cards.includes(card)) card.over = true;
  holder.replaceChildren(...cards.map((card) => card.card.node));
  document.getElementById("move-list").replaceChildren(...cards.map((card) => card.moves.node));
  document.getElementById("headline-list").replaceChildren(...cards.map((card) => card.headline.node));
}

async function follow() {
  let wait = LIST_MS;
  for (;;) {
    await visible();
    try {
      const { data } = await getJson("api/metrics");
      show(data);
      document.getElementById("problem").replaceChildren();
      wait = LIST_MS;
    } catch (problem) {
      setState("lost", problem.status === 401 ? "Needs a token" : "Reconnecting");
      if (!cards.length) document.getElementById("problem").replaceChildren(failure(problem));
      if (problem.status === 401) return;
      wait = Math.min(wait === LIST_MS ? AGAIN_MS : 2 * wait, LIST_MS - 1);
    }
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

onAddress(() => { for (const card of cards) { card.card.draw(); card.hurry(); } });
document.addEventListener("visibilitychange", state);
new UserLookup([new Person(), new Sessions()], [new LatestClicks()]);
follow();
