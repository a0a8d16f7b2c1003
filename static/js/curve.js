// What the answers bought: accepted masks against questions or human time, and what is to be expected.
import uPlot from "../vendor/uplot/uPlot.esm.js";
import { colour } from "./colours.js";
import { axes, choose, faded, redrawn, short, tabulate, told, whole } from "./plotting.js";

const MOST_MINUTES = 180;

// What the horizontal axis counts, and how one of its values is drawn.
function scale(points, axis) {
  if (axis === "questions") return { unit: "questions", of: (value) => value };
  const longest = 60 * Math.max(0, ...points.hours, ...points.ahead.hours);
  return longest > MOST_MINUTES ? { unit: "hours", of: (value) => value } : { unit: "minutes", of: (value) => 60 * value };
}

function options(plot, unit, isAhead) {
  const line = axes();
  const quiet = { value: told(whole.format), points: { show: false } };
  const edge = { ...quiet, stroke: colour("--chart-3"), width: 0.5 };
  const expected = [
    { ...quiet, label: plot.dataset.expected, stroke: colour("--chart-3"), width: 2.5, dash: [2, 4] },
    { ...edge, label: plot.dataset.low },
    { ...edge, label: plot.dataset.high },
  ];
  return {
    width: plot.clientWidth,
    height: Math.max(240, Math.min(420, plot.clientWidth * 0.45)),
    scales: { x: { time: false } },
    axes: [{ ...line, label: plot.dataset[unit] }, { ...line, size: 64 }],
    series: [
      { label: plot.dataset[unit], value: told(short.format) },
      { ...quiet, label: plot.dataset.accepted, stroke: colour("--chart-1"), width: 2.5, fill: colour("--accent-soft") },
      { ...quiet, label: plot.dataset.drawn, stroke: colour("--chart-2"), width: 2, dash: [6, 5] },
      ...(isAhead ? expected : []),
    ],
    bands: isAhead ? [{ series: [5, 4], fill: faded("--chart-3") }] : [],
  };
}

const none = (list) => list.map(() => null);

function series({ ahead, ...points }, axis, of) {
  const x = [0, ...points[axis], ...ahead[axis]].map(of);
  const past = none(points.questions);
  return [
    x,
    [0, ...points.accepted, ...none(ahead.questions)],
    [0, ...points.drawn, ...ahead.drawn],
    ...(ahead.questions.length ? [ahead.expected, ahead.low, ahead.high].map((line) => [null, ...past, ...line]) : []),
  ];
}

function rows({ ahead, ...points }) {
  const past = points.questions.map((asked, i) => [whole.format(asked), short.format(points.hours[i]), whole.format(points.accepted[i]), whole.format(points.drawn[i]), "", ""]);
  const next = ahead.questions.map((asked, i) => [whole.format(asked), short.format(ahead.hours[i]), "", whole.format(ahead.drawn[i]), whole.format(ahead.expected[i]), `${whole.format(ahead.low[i])} – ${whole.format(ahead.high[i])}`]);
  return [...past, ...next];
}

export class Curve {
  #axis = "questions";
  #points = null;
  #chart = null;

  constructor(card) {
    this.plot = card.querySelector(".plot");
    this.empty = card.querySelector(".curve-empty");
    this.numbers = card.querySelector(".numbers");
    choose(card.querySelectorAll("[data-axis]"), ({ dataset }) => {
      this.#axis = dataset.axis;
      this.#draw();
    });
    redrawn(this.plot, () => this.#draw());
  }

  async reload() {
    const response = await fetch(this.plot.dataset.url);
    if (!response.ok) return;
    this.#points = await response.json();
    this.#draw();
  }

  #draw() {
    const any = Boolean(this.#points?.at.length);
    this.empty.hidden = any;
    this.plot.hidden = this.numbers.hidden = !any;
    this.#chart?.destroy();
    this.#chart = null;
    if (!any) return;
    const { unit, of } = scale(this.#points, this.#axis);
    this.#chart = new uPlot(options(this.plot, unit, this.#points.ahead.questions.length > 0), series(this.#points, this.#axis, of), this.plot);
    tabulate(this.numbers, rows(this.#points));
  }
}
