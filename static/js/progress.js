// How it goes: answers and accepted masks by the hour, and how often the crowd is right on gold.
import uPlot from "../vendor/uplot/uPlot.esm.js";
import { colour } from "./colours.js";
import { axes, choose, faded, percent, redrawn, tabulate, told, when, whole } from "./plotting.js";

const HEIGHT = 260;

class Chart {
  #chart = null;
  #points = null;

  constructor(card) {
    this.plot = card.querySelector(".plot");
    this.empty = card.querySelector(".chart-empty");
    this.numbers = card.querySelector(".numbers");
    redrawn(this.plot, () => this.draw());
  }

  show(points) {
    this.#points = points;
    this.draw();
  }

  // From the first moment to some seconds after the last: uPlot gives a single one years.
  span(after) {
    return [this.#points.at[0], this.#points.at.at(-1) + after];
  }

  draw() {
    const any = Boolean(this.#points?.at.length);
    this.empty.hidden = any;
    this.plot.hidden = this.numbers.hidden = !any;
    this.#chart?.destroy();
    this.#chart = any ? new uPlot({ width: this.plot.clientWidth, height: HEIGHT, ...this.options() }, this.data(this.#points), this.plot) : null;
    if (any) tabulate(this.numbers, this.rows(this.#points));
  }
}

class Throughput extends Chart {
  #series = "answers";

  constructor(card) {
    super(card);
    choose(card.querySelectorAll("[data-series]"), ({ dataset }) => {
      this.#series = dataset.series;
      this.draw();
    });
  }

  options() {
    const line = axes();
    const drawn = colour(this.#series === "answers" ? "--chart-3" : "--chart-1");
    const bars = { paths: uPlot.paths.bars({ size: [0.8, 40], align: 1 }), stroke: drawn, fill: drawn, width: 0, points: { show: false } };
    return {
      scales: { x: { range: () => this.span(3600) }, y: { range: (_, __, high) => [0, Math.max(1, high * 1.05)] } },
      axes: [{ ...line, grid: { show: false } }, { ...line, size: 56 }],
      series: [{ label: this.plot.dataset.x, value: told(when) }, { ...bars, label: this.plot.dataset[this.#series], value: told(whole.format) }],
    };
  }

  data(points) {
    return [points.at, points[this.#series]];
  }

  rows({ at, answers, accepted }) {
    return at.map((hour, i) => [when(hour), whole.format(answers[i]), whole.format(accepted[i])]).reverse();
  }
}

class Gold extends Chart {
  options() {
    const line = axes();
    const value = told(percent.format);
    const edge = { value, stroke: colour("--chart-4"), width: 0.5, points: { show: false } };
    return {
      scales: { x: { range: () => this.span(600) }, y: { range: (_, low) => [Math.min(0.5, low), 1] } },
      axes: [{ ...line, grid: { show: false } }, { ...line, size: 56, values: (_, at) => at.map(percent.format) }],
      series: [
        { label: this.plot.dataset.x, value: told(when) },
        { label: this.plot.dataset.share, value, stroke: colour("--chart-4"), width: 2.5, points: { show: true, size: 6, fill: colour("--surface") } },
        { ...edge, label: this.plot.dataset.low },
        { ...edge, label: this.plot.dataset.high },
      ],
      bands: [{ series: [3, 2], fill: faded("--chart-4") }],
    };
  }

  data({ at, share, low, high }) {
    return [at, share, low, high];
  }

  rows({ at, answers, right, share, low, high }) {
    return at.map((until, i) => [when(until), whole.format(answers[i]), whole.format(right[i]), percent.format(share[i]), `${percent.format(low[i])} – ${percent.format(high[i])}`]).reverse();
  }
}

export class Progress {
  constructor(box) {
    this.url = box.dataset.url;
    this.throughput = new Throughput(box.querySelector('[data-chart="throughput"]'));
    this.gold = new Gold(box.querySelector('[data-chart="gold"]'));
  }

  async reload() {
    const response = await fetch(this.url);
    if (!response.ok) return;
    const { throughput, gold } = await response.json();
    this.throughput.show(throughput);
    this.gold.show(gold);
  }
}
