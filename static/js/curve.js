// What the answers bought: accepted masks against questions or human time, with the numbers as a table.
import uPlot from "../vendor/uplot/uPlot.esm.js";

const figure = new Intl.NumberFormat(document.documentElement.lang);
const rounded = (value) => figure.format(Math.round(value * 10) / 10);
const minutes = (hours) => hours * 60;

// A custom property may hold light-dark(): let the browser resolve it to a colour.
function colour(name) {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const resolved = getComputedStyle(probe).color;
  probe.remove();
  return resolved;
}

function options(plot, axis) {
  const font = `12px ${getComputedStyle(document.body).fontFamily}`;
  const line = { stroke: colour("--line"), width: 1 };
  const axes = { stroke: colour("--ink-soft"), grid: line, ticks: line, font };
  const value = (_, v) => (v == null ? "–" : rounded(v));
  const quiet = { value, points: { show: false } };
  return {
    width: plot.clientWidth,
    height: Math.max(240, Math.min(420, plot.clientWidth * 0.45)),
    scales: { x: { time: false } },
    axes: [{ ...axes, label: plot.dataset[axis], labelFont: font }, { ...axes, size: 64 }],
    series: [
      { label: plot.dataset[axis], value },
      { label: plot.dataset.accepted, stroke: colour("--chart-1"), width: 2.5, fill: colour("--accent-soft"), ...quiet },
      { label: plot.dataset.drawn, stroke: colour("--chart-2"), width: 2, dash: [6, 5], ...quiet },
    ],
  };
}

function series(points, axis) {
  const x = axis === "questions" ? points.questions : points.hours.map(minutes);
  return [[0, ...x], [0, ...points.accepted], [0, ...points.drawn]];
}

function row(cells) {
  const tr = document.createElement("tr");
  tr.append(...cells.map((cell) => {
    const td = document.createElement("td");
    td.className = "num";
    td.textContent = rounded(cell);
    return td;
  }));
  return tr;
}

export class Curve {
  #axis = "questions";
  #points = null;
  #chart = null;

  constructor(card) {
    this.plot = card.querySelector(".plot");
    this.empty = card.querySelector(".curve-empty");
    this.numbers = card.querySelector(".numbers");
    this.buttons = [...card.querySelectorAll("[data-axis]")];
    for (const button of this.buttons) button.addEventListener("click", () => this.#turn(button.dataset.axis));
    new ResizeObserver(() => this.#fit()).observe(this.plot);
    const redraw = () => this.#draw();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
    new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  }

  async reload() {
    const response = await fetch(this.plot.dataset.url);
    if (!response.ok) return;
    this.#points = await response.json();
    if (this.#chart && this.#points.at.length) {
      this.#chart.setData(series(this.#points, this.#axis));
      this.#tabulate();
    } else this.#draw();
  }

  #turn(axis) {
    this.#axis = axis;
    for (const button of this.buttons) button.setAttribute("aria-pressed", String(button.dataset.axis === axis));
    this.#draw();
  }

  #fit() {
    const { clientWidth: width } = this.plot;
    if (this.#chart && width !== this.#chart.width) this.#chart.setSize({ width, height: this.#chart.height });
  }

  #draw() {
    const any = Boolean(this.#points?.at.length);
    this.empty.hidden = any;
    this.plot.hidden = this.numbers.hidden = !any;
    this.#chart?.destroy();
    this.#chart = any ? new uPlot(options(this.plot, this.#axis), series(this.#points, this.#axis), this.plot) : null;
    if (any) this.#tabulate();
  }

  #tabulate() {
    const { questions, hours, accepted, drawn } = this.#points;
    const rows = questions.map((asked, i) => row([asked, minutes(hours[i]), accepted[i], drawn[i]]));
    this.numbers.querySelector("tbody").replaceChildren(...rows);
  }
}
