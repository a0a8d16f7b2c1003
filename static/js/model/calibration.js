// Cluster score against real quality, with K_pa as a handle on it, and what each K_pa would bring.
import uPlot from "../../vendor/uplot/uPlot.esm.js";
import { colour } from "../colours.js";
import { ask, base, dots, hundredths, kept, short, tabulate, value, whole } from "./charts.js";
import { Handle } from "./handle.js";

const AGAIN_MS = 80;
const ROUNDING = { questions: whole, accepted: whole, clusters: whole, precision: short, hours: short, money: hundredths };
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export class Calibration {
  #found = null;
  #outlook = null;
  #charts = {};

  constructor(card) {
    this.card = card;
    this.effect = card.querySelector("#effect");
    this.plots = { curves: card.querySelector(".threshold .plot"), outlook: card.querySelector("#outlook .plot") };
    this.used = Math.round(100 * Number(card.dataset.kPa)) / 100;
    this.handle = new Handle(card.querySelector("#k-pa"), this.used, () => this.#moved());
  }

  async load() {
    this.#found = await ask(this.card.dataset.url);
    if (!this.#found) return;
    tabulate(this.card.querySelector(".threshold + .numbers"), this.#found.bins);
    kept(this.plots.curves, () => this.#drawCurves());
    await this.#look();
  }

  // The server looks at tree after tree, for a moment each time it is asked.
  async #look() {
    const looking = this.effect.querySelector('[data-part="looking"]');
    for (;;) {
      const answer = await ask(this.card.dataset.outlook);
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
    const { k_pa: k, questions, accepted, precision, clusters, hours } = this.#outlook;
    this.card.querySelector("#outlook").hidden = false;
    this.effect.querySelector('[data-part="money"]').hidden = !this.#outlook.money.some(Boolean);
    tabulate(this.card.querySelector("#outlook .numbers"), k.map((at, i) => [hundredths.format(at), questions[i], accepted[i], precision[i], clusters[i], hours[i]]));
    kept(this.plots.outlook, () => this.#drawOutlook());
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
    for (const [name, format] of Object.entries(ROUNDING)) {
      const [now, before] = [this.#outlook[name][at], this.#outlook[name][used]];
      this.effect.querySelector(`[data-figure="${name}"]`).textContent = now == null ? "–" : format.format(now);
      const change = now == null || before == null ? 0 : now - before;
      this.effect.querySelector(`[data-change="${name}"]`).textContent = change ? `${change > 0 ? "+" : "−"}${format.format(Math.abs(change))}` : "";
    }
    const { questions, accepted } = this.#outlook;
    const words = this.effect.dataset;
    this.handle.element.setAttribute("aria-valuetext", `${this.handle.value.toFixed(2)}: ${whole.format(questions[at])} ${words.questions}, ${whole.format(accepted[at])} ${words.accepted}`);
    this.#charts.outlook?.redraw(false);
  }

  #drawCurves() {
    const plot = this.plots.curves;
    const { axis, options } = base(plot);
    const { scores, qualities, sizes } = this.#found.clusters;
    const curve = (label, ink, extra) => ({ label, stroke: colour(ink), width: 2.5, value, points: { show: false }, ...extra });
    const x = this.#found.bins.map(([from]) => from + 0.5 / this.#found.bins.length);
    const columns = [2, 3, 4].map((i) => this.#found.bins.map((row) => row[i]));
    this.#charts.curves?.destroy();
    this.#charts.curves = new uPlot({
      ...options,
      scales: { x: { time: false, range: [0, 1] }, y: { range: [0, 1] } },
      axes: [{ ...axis, label: plot.dataset.x }, { ...axis, size: 48 }],
      series: [
        { label: plot.dataset.x, value },
        curve(plot.dataset.high, "--chart-1"),
        curve(plot.dataset.low, "--chart-2"),
        curve(plot.dataset.quality, "--chart-4", { width: 1.5, dash: [6, 4] }),
      ],
      hooks: {
        drawAxes: [dots(scores, qualities, { sizes, ink: colour("--chart-3"), alpha: 0.22 })],
        ready: [(chart) => this.handle.over(chart)],
      },
    }, [x, ...columns], plot);
  }

  #drawOutlook() {
    const plot = this.plots.outlook;
    const { axis, options } = base(plot, 260);
    const ink = colour("--ink");
    const mark = (chart) => {
      const x = chart.valToPos(this.handle.value, "x", true);
      chart.ctx.save();
      chart.ctx.strokeStyle = ink;
      chart.ctx.lineWidth = 1.5 * devicePixelRatio;
      chart.ctx.beginPath();
      chart.ctx.moveTo(x, chart.bbox.top);
      chart.ctx.lineTo(x, chart.bbox.top + chart.bbox.height);
      chart.ctx.stroke();
      chart.ctx.restore();
    };
    const count = (_, v) => (v == null ? "–" : whole.format(v));
    const fromZero = (_, __, most) => [0, Math.max(1, 1.05 * most)];
    this.#charts.outlook?.destroy();
    this.#charts.outlook = new uPlot({
      ...options,
      scales: { x: { time: false, range: [0, 1] }, y: { range: fromZero } },
      axes: [{ ...axis, label: plot.dataset.x }, { ...axis, size: 64 }],
      series: [
        { label: plot.dataset.x, value },
        { label: plot.dataset.questions, stroke: colour("--chart-2"), width: 2, value: count, points: { show: false } },
        { label: plot.dataset.accepted, stroke: colour("--chart-1"), width: 2.5, value: count, points: { show: false } },
      ],
      hooks: { draw: [mark] },
    }, [this.#outlook.k_pa, this.#outlook.questions, this.#outlook.accepted], plot);
  }
}
