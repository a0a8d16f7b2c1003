// Score against real IoU of the held-out predictions, of one category or of all.
import uPlot from "../../vendor/uplot/uPlot.esm.js";
import { colour } from "../colours.js";
import { ask, base, dots, kept, tabulate, value } from "./charts.js";

export class Scores {
  #found = null;
  #chart = null;

  constructor(card) {
    this.card = card;
    this.plot = card.querySelector(".plot");
    const select = card.querySelector("select");
    select.addEventListener("change", () => this.reload(select.value));
    kept(this.plot, () => this.#draw());
  }

  async reload(category = "") {
    this.#found = await ask(`${this.card.dataset.url}&category=${category}`);
    if (!this.#found) return;
    tabulate(this.card.querySelector(".numbers"), this.#found.bins);
    this.#draw();
  }

  #draw() {
    if (!this.#found) return;
    const { x: label, y, mean } = this.plot.dataset;
    const { axis, options } = base(this.plot);
    const points = dots(...this.#found.points, { ink: colour("--chart-3") });
    this.#chart?.destroy();
    this.#chart = new uPlot({
      ...options,
      scales: { x: { time: false, range: [0, 1] }, y: { range: [0, 1] } },
      axes: [{ ...axis, label }, { ...axis, label: y, size: 48 }],
      series: [
        { label, value },
        { label: mean, stroke: colour("--chart-1"), width: 2.5, value, points: { show: true, size: 5, fill: colour("--chart-1") } },
        { label: "s = IoU", stroke: colour("--ink-faint"), width: 1, dash: [5, 5], value, points: { show: false } },
        { label: "K_iou", stroke: colour("--chart-2"), width: 1, dash: [2, 4], value, points: { show: false } },
      ],
      hooks: { drawAxes: [points] },
    }, this.#data(), this.plot);
  }

  // From 0 to 1, so that the straight lines reach both ends; the mean is known where there are masks.
  #data() {
    const { bins, k_iou: k } = this.#found;
    const x = [0, ...bins.map(([, , score]) => score), 1];
    return [x, [null, ...bins.map(([, , , iou]) => iou), null], x, x.map(() => k)];
  }
}
