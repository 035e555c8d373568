// Numbers and times as people read them.
const whole = new Intl.NumberFormat("en");
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
const time = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
const minute = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hour12: false });
const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "2-digit" });

export const count = (n) => whole.format(n);
export const short = (n) => (Math.abs(n) < 10000 ? whole.format(n) : compact.format(n));
export const clock = (ms) => time.format(ms);
export const hour = (ms) => minute.format(ms);
export const date = (ms) => day.format(ms);
export const moment = (ms) => `${day.format(ms)} ${time.format(ms)}`;

export function rate(perSecond) {
  if (perSecond >= 100) return whole.format(Math.round(perSecond));
  if (perSecond >= 10) return perSecond.toFixed(0);
  return perSecond === 0 ? "0" : perSecond.toFixed(1);
}

export function duration(ms) {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const s = ms / 1000;
  if (s < 90) return `${s < 10 ? s.toFixed(1) : Math.round(s)} s`;
  const min = s / 60;
  if (min < 90) return `${Math.round(min)} min`;
  const h = min / 60;
  return h < 48 ? `${Math.round(h)} h` : `${Math.round(h / 24)} days`;
}

export const percent = (part, all) => {
  if (!all || !part) return "0 %";
  const p = (100 * part) / all;
  return p < 0.1 ? "< 0.1 %" : `${p < 10 ? p.toFixed(1) : Math.round(p)} %`;
};
