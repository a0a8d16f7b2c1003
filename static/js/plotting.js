// Charts: uPlot in the colours, the type and the language of the page, with a legend, the values under the pointer
// and the table of numbers behind.
import uPlot from "../vendor/uplot/uPlot.esm.js";
import { colour, onTheme } from "./colours.js";
import { short, ticks, when, whole } from "./formats.js";

const { zone } = document.documentElement.dataset;
const LOW = 240;
const HIGH = 400;

// ── series ──

// A few points make no line: they are drawn themselves.
const isSparse = (chart) => chart.data[0].length < 3;

// `ink` is a custom property of the design system.
export function line(label, ink, { isDotted = false, ...more } = {}) {
  return { label, stroke: colour(ink), width: 2, points: { show: isDotted || isSparse, size: 6, fill: colour("--surface") }, ...more };
}

export const bars = (label, ink, more) => ({
  label, stroke: colour(ink), fill: colour(ink), width: 0, class: "is-bars", points: { show: false }, paths: uPlot.paths.bars({ size: [0.8, 60], ...more }),
});

// The edges of a band, which its legend does without, and its filling.
export const edge = (label, ink) => line(label, ink, { width: 0.5, class: "is-edge", points: { show: false } });
export const band = (high, low, ink) => ({ series: [high, low], fill: colour(ink).replace(/^rgb\((.*)\)$/, "rgba($1, 0.18)") });

// The pattern of a line as CSS has it, for the legend.
const named = (dash) => (dash ? (dash[0] < 4 ? "dotted" : "dashed") : "solid");

// ── axes ──

const fromZero = (_, __, most) => [0, 1.05 * most || 1];

// As wide as the longest of its names.
function breadth(chart, names, place, round) {
  const axis = chart.axes[place];
  if (round > 1) return axis._size;
  chart.ctx.font = axis.font[0];
  const widths = (names ?? []).map((name) => chart.ctx.measureText(name).width / devicePixelRatio);
  return Math.ceil(Math.max(0, ...widths)) + axis.ticks.size + axis.gap;
}

function axes(x, y) {
  const font = `12px ${getComputedStyle(document.body).fontFamily}`;
  const rule = { stroke: colour("--line"), width: 1 };
  const common = { stroke: colour("--ink-soft"), font, labelFont: font, labelSize: 22, labelGap: 4, grid: rule, ticks: { ...rule, size: 4 } };
  const told = y.format === whole ? short : y.format;
  const along = x.time
    ? { space: 64, values: (_, at, __, ___, step) => ticks(at, step) }
    : { label: x.label, size: 28, incrs: x.incrs, values: (_, at) => at.map(x.tick ?? x.format) };
  return [
    { ...common, ...along, grid: { show: false } },
    { ...common, label: y.label, size: breadth, values: (_, at) => at.map(told) },
  ];
}

// ── the values under the pointer ──

function element(name, className, text = "") {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}

function pointed(chart, place, format) {
  return chart.series.flatMap(({ label, show, stroke }, i) => {
    const value = chart.data[i][place];
    if (!i || !show || value == null) return [];
    const swatch = element("span", "swatch");
    swatch.style.background = stroke(chart, i);
    return [swatch, element("span", "", label), element("b", "num", format(value))];
  });
}

function tip(x, y) {
  const box = element("div", "chart-tip");
  box.ariaHidden = "true"; // The table says it.
  function follow(chart) {
    const { idx: place, left } = chart.cursor;
    const values = place == null || left < 0 ? [] : pointed(chart, place, y.format);
    box.hidden = values.length === 0;
    if (box.hidden) return;
    box.replaceChildren(element("p", "", `${x.label}: ${x.format(chart.data[0][place])}`), ...values);
    const at = chart.valToPos(chart.data[0][place], "x");
    const room = chart.over.clientWidth;
    const beside = at < room / 2 ? at + 12 : at - box.offsetWidth - 12;
    box.style.translate = `${Math.max(0, Math.min(beside, room - box.offsetWidth))}px`;
  }
  return { hooks: { init: (chart) => chart.over.append(box), setCursor: follow } };
}

// ── what is drawn on the canvas itself ──

// Points below the lines: uPlot's own series share one x, these have theirs.
function scatter(chart, { x, y, sizes, ink, alpha = 0.35 }) {
  const { ctx } = chart;
  ctx.save();
  ctx.beginPath();
  ctx.rect(chart.bbox.left, chart.bbox.top, chart.bbox.width, chart.bbox.height);
  ctx.clip();
  ctx.fillStyle = colour(ink);
  ctx.globalAlpha = alpha;
  for (let i = 0; i < x.length; i += 1) {
    const radius = (sizes ? Math.min(9, 1 + Math.log2(sizes[i]) / 1.6) : 1.8) * devicePixelRatio;
    ctx.beginPath();
    ctx.arc(chart.valToPos(x[i], "x", true), chart.valToPos(y[i], "y", true), radius, 0, 2 * Math.PI);
    ctx.fill();
  }
  ctx.restore();
}

function upright(chart, value) {
  const { ctx, bbox } = chart;
  const x = chart.valToPos(value, "x", true);
  ctx.save();
  ctx.strokeStyle = colour("--ink");
  ctx.lineWidth = 1.5 * devicePixelRatio;
  ctx.beginPath();
  ctx.moveTo(x, bbox.top);
  ctx.lineTo(x, bbox.top + bbox.height);
  ctx.stroke();
  ctx.restore();
}

// ── the chart ──

/* A card holds .plot, .numbers and perhaps .chart-empty. `describe` says of what was found, in the words of the plot's
   data attributes, how it is drawn, or nothing where there is nothing to draw:

   x, y    { label, format, range }; x may be `time` in seconds, or have a format of its own for a `tick`
   series  of line, bars, edge; `bands` between two of them
   data    x values, then those of each series
   rows    of the table of numbers, text, the first of each naming it
   points  { x, y, sizes, ink, alpha } below the lines
   mark    () => x of an upright line
   ready   is given the uPlot once it is drawn */
export class Chart {
  #describe;
  #found = null;
  #uplot = null;
  #drawn = {};

  constructor(card, describe) {
    this.#describe = describe;
    this.plot = card.querySelector(".plot");
    this.numbers = card.querySelector(".numbers");
    this.empty = card.querySelector(".chart-empty");
    this.#follow();
  }

  show(found) {
    this.#found = found;
    const wanted = found && this.#describe(found, this.plot.dataset);
    this.plot.hidden = this.numbers.hidden = !wanted;
    if (this.empty) this.empty.hidden = Boolean(wanted);
    if (wanted) tabulate(this.numbers, wanted.rows);
    if (wanted && this.#isAlike(wanted)) {
      this.#drawn = wanted;
      this.#uplot.setData(wanted.data);
    } else this.#draw(wanted);
  }

  // Draw on the same canvas once more: the mark moved.
  redraw() {
    this.#uplot?.redraw(false);
  }

  // The pointer keeps its place on a chart whose data grow.
  #isAlike(wanted) {
    const names = ({ x, series }) => [x.label, ...series.map(({ label }) => label)].join("|");
    return this.#uplot && names(wanted) === names(this.#drawn);
  }

  #draw(wanted) {
    this.#uplot?.destroy();
    this.#drawn = wanted;
    this.#uplot = wanted ? new uPlot(this.#options(wanted), wanted.data, this.plot) : null;
  }

  #options({ x, y, series, bands = [], ready = () => {} }) {
    const width = this.plot.clientWidth;
    return {
      width,
      height: this.plot.classList.contains("is-low") ? LOW : Math.max(LOW, Math.min(HIGH, 0.45 * width)),
      tzDate: (at) => uPlot.tzDate(new Date(1000 * at), zone),
      cursor: { y: false, drag: { x: false, y: false } },
      legend: { live: false, markers: { dash: (chart, i) => named(chart.series[i].dash) } },
      scales: { x: { time: Boolean(x.time), range: x.range }, y: { range: y.range ?? fromZero } },
      axes: axes(x, y),
      series: [{}, ...series],
      bands,
      plugins: [tip(x, y)],
      hooks: {
        drawAxes: [(chart) => this.#drawn.points && scatter(chart, this.#drawn.points)],
        draw: [(chart) => this.#drawn.mark && upright(chart, this.#drawn.mark())],
        ready: [ready],
      },
    };
  }

  // Draw anew when the theme or the width of the plot changes.
  #follow() {
    const again = () => this.#uplot && this.#draw(this.#describe(this.#found, this.plot.dataset));
    onTheme(again);
    let width = this.plot.clientWidth;
    new ResizeObserver(() => {
      if (this.plot.clientWidth === width) return;
      width = this.plot.clientWidth;
      if (width) again();
    }).observe(this.plot);
  }
}

// A horizontal axis of time from the first moment to some seconds `after` the last: uPlot gives a single one years.
export function timeline(label, after = 0) {
  const range = ({ data: [at] }) => [at[0], Math.max(at.at(-1) + after, at[0] + 60)];
  return { label, time: true, format: when, range };
}

// Rows of texts, the first of each naming it.
export function tabulate(numbers, rows) {
  numbers.querySelector("tbody").replaceChildren(...rows.map(([name, ...values]) => {
    const row = document.createElement("tr");
    const heading = element("th", "", name);
    heading.scope = "row";
    row.append(heading, ...values.map((value) => element("td", "num", value)));
    return row;
  }));
}

// One of several buttons is pressed; `turn` is told which.
export function choose(buttons, turn) {
  for (const button of buttons) {
    button.addEventListener("click", () => {
      for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
      turn(button);
    });
  }
}

// What the charts of an address are drawn from; null where it is not to be had now.
export async function figures(url) {
  const response = await fetch(url);
  return response.ok && !response.redirected ? response.json() : null;
}
