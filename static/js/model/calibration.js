// Cluster score against real quality, with K_pa as a handle on it, and what each K_pa would bring.
import { fine, hundredths, percent, short, whole } from "../formats.js";
import { Chart, figures, line } from "../plotting.js";
import { Handle } from "./handle.js";

const AGAIN_MS = 80;
const FORMATS = { questions: whole, accepted: whole, precision: percent, clusters: whole, hours: short, money: hundredths };
const IN_TABLE = Object.entries(FORMATS).slice(0, -1);
const UNIT = { range: [0, 1], format: fine };
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// How likely clusters of a mean score are good or bad, over the held-out clusters themselves.
function curves({ bins, clusters }, words) {
  const middles = bins.map(([from]) => from + 0.5 / bins.length);
  return {
    x: { ...UNIT, label: words.x },
    y: UNIT,
    series: [
      line(words.high, "--chart-1", { width: 2.5 }),
      line(words.low, "--chart-2", { width: 2.5 }),
      line(words.quality, "--chart-4", { width: 1.5, dash: [6, 4] }),
    ],
    data: [middles, ...[2, 3, 4].map((i) => bins.map((row) => row[i]))],
    rows: bins.map(([from, nodes, ...shares]) => [fine(from), whole(nodes), ...shares.map(fine)]),
    points: { x: clusters.scores, y: clusters.qualities, sizes: clusters.sizes, ink: "--chart-3", alpha: 0.22 },
  };
}

// What each K_pa would bring.
function outlook(table, words) {
  return {
    x: { label: words.x, format: hundredths, range: [0, 1] },
    y: { format: whole },
    series: [line(words.questions, "--chart-2"), line(words.accepted, "--chart-1", { width: 2.5 })],
    data: [table.k_pa, table.questions, table.accepted],
    rows: table.k_pa.map((k, i) => [hundredths(k), ...IN_TABLE.map(([name, format]) => format(table[name][i]))]),
  };
}

export class Calibration {
  #outlook = null;

  constructor(card) {
    this.card = card;
    this.effect = card.querySelector("#effect");
    this.used = Math.round(100 * Number(card.dataset.kPa)) / 100;
    this.handle = new Handle(card.querySelector("#k-pa"), this.used, () => this.#moved());
    this.curves = new Chart(card, (found, words) => ({ ...curves(found, words), ready: (chart) => this.handle.over(chart) }));
    this.brings = new Chart(card.querySelector("#outlook"), (table, words) => ({ ...outlook(table, words), mark: () => this.handle.value }));
  }

  async load() {
    const found = await figures(this.card.dataset.url);
    if (!found) return;
    this.curves.show(found);
    await this.#look();
  }

  // The server looks at tree after tree, for a moment each time it is asked.
  async #look() {
    const looking = this.effect.querySelector('[data-part="looking"]');
    for (;;) {
      const answer = await figures(this.card.dataset.outlook);
      if (!answer) break;
      const progress = looking.querySelector("progress");
      [progress.max, progress.value] = [answer.of || 1, answer.done];
      if (answer.table) {
        this.#outlook = answer.table;
        break;
      }
      await pause(AGAIN_MS);
    }
    looking.hidden = true;
    this.effect.querySelector(`[data-part="${this.#outlook ? "figures" : "none"}"]`).hidden = false;
    if (this.#outlook) this.#showOutlook();
  }

  #showOutlook() {
    this.card.querySelector("#outlook").hidden = false;
    this.effect.querySelector('[data-part="money"]').hidden = !this.#outlook.money.some(Boolean);
    this.brings.show(this.#outlook);
    this.#moved();
  }

  #moved() {
    const [at, used] = [this.handle.value, this.used].map((k) => Math.round(100 * k));
    const form = this.card.querySelector("#use");
    if (form) {
      form.elements.k_pa.value = this.handle.value.toFixed(2);
      form.querySelector("button").disabled = at === used;
    }
    if (!this.#outlook) return;
    for (const [name, format] of Object.entries(FORMATS)) {
      const [now, before] = [this.#outlook[name][at], this.#outlook[name][used]];
      this.effect.querySelector(`[data-figure="${name}"]`).textContent = format(now);
      const change = now == null || before == null ? 0 : now - before;
      this.effect.querySelector(`[data-change="${name}"]`).textContent = change ? `${change > 0 ? "+" : "−"}${format(Math.abs(change))}` : "";
    }
    const { questions, accepted } = this.#outlook;
    const words = this.effect.dataset;
    this.handle.element.setAttribute("aria-valuetext", `${this.handle.value.toFixed(2)}: ${whole(questions[at])} ${words.questions}, ${whole(accepted[at])} ${words.accepted}`);
    this.brings.redraw();
  }
}
