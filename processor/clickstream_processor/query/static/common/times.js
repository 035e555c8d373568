// The times From and Until of a form, and the buttons of #quick that choose them.
import { localText } from "./localtime.js";

const NAMES = ["from", "to"];

export class Times {
  // Calls `onChoice` after somebody chose other times.
  constructor(form, onChoice) {
    this.form = form;
    this.onChoice = onChoice;
    this.buttons = [...form.querySelectorAll("#quick button[data-span]")];
    this.press(null);
    for (const button of this.buttons) button.addEventListener("click", () => this.sinceSpan(button));
    for (const name of NAMES) form.elements[name].addEventListener("change", () => { this.press(null); onChoice(); });
    form.addEventListener("reset", () => this.press(null));
  }

  // The chosen ones as [name, ms since the epoch].
  chosen() {
    return NAMES.map((name) => [name, Date.parse(this.form.elements[name].value)]).filter(([, ms]) => !Number.isNaN(ms));
  }

  fromAddress(parameters) {
    for (const name of NAMES) {
      const ms = Number(parameters.get(name) || NaN);
      this.form.elements[name].value = Number.isNaN(ms) ? "" : localText(ms);
    }
    this.press(null);
  }

  // To one bar; the form has whole seconds.
  narrow(fromMs, toMs) {
    this.set(localText(fromMs), localText(Math.max(toMs, fromMs + 1000)));
    this.press(null);
    this.onChoice();
  }

  sinceSpan(button) {
    const span = Number(button.dataset.span);
    this.set(span ? localText(Date.now() - span) : "", "");
    this.press(button);
    this.onChoice();
  }

  set(from, to) {
    this.form.elements.from.value = from;
    this.form.elements.to.value = to;
  }

  press(button) {
    for (const other of this.buttons) other.setAttribute("aria-pressed", String(other === button));
  }
}
