// The page on one worker: their charts, with the numbers behind each.
import uPlot from "../../vendor/uplot/uPlot.esm.js";
import { colour } from "../colours.js";

const root = document.getElementById("worker");
const { lang } = document.documentElement;
const short = new Intl.NumberFormat(lang, { maximumFractionDigits: 2 });
const share = new Intl.NumberFormat(lang, { style: "percent", maximumFractionDigits: 1 });
const moment = new Intl.DateTimeFormat(lang, { dateStyle: "medium", timeStyle: "medium" });
const STROKES = ["--chart-1", "--chart-3", "--chart-6"];
let redraws = [];

function told(plot, value) {
  if (value == null) return "–";
  return plot.dataset.unit === "%" ? share.format(value) : `${short.format(value)} ${plot.dataset.unit}`;
}

function options(plot, labels, lines) {
  const font = `12px ${getComputedStyle(document.body).fontFamily}`;
  const line = { stroke: colour("--line"), width: 1 };
  const axes = { stroke: colour("--ink-soft"), grid: line, ticks: line, font };
  const value = (_, v) => told(plot, v);
  const points = { show: false };
  const range = plot.dataset.unit === "%" ? [0, 1.02] : (_, __, max) => [0, Math.max(1, max * 1.1)];
  return {
    width: plot.clientWidth,
    height: 260,
    scales: { y: { range } },
    axes: [axes, { ...axes, size: 56, values: (_, at) => at.map((v) => told(plot, v)) }],
    series: [
      { label: plot.dataset.until, value: (_, at) => (at == null ? "–" : moment.format(at * 1000)) },
      ...labels.map((label, i) => ({ label, stroke: colour(STROKES[i]), width: i ? 1.6 : 2.5, value, points })),
      ...lines.map(([label]) => ({
        label: plot.dataset[label], stroke: colour(label === "stopped" ? "--reject" : "--warn"), width: 1.2, dash: label === "stopped" ? [6, 4] : [2, 4], value, points,
      })),
    ],
  };
}

// One point is no line: it is drawn as long as a second.
function columns(rows, places, lines) {
  const drawn = rows.length === 1 ? [rows[0], [rows[0][0] + 1, ...rows[0].slice(1)]] : rows;
  return [
    drawn.map(([at]) => at),
    ...places.map((place) => drawn.map((row) => row[place])),
    ...lines.map(([, level]) => drawn.map(() => level)),
  ];
}

function tabulate(card, rows) {
  const plot = card.querySelector(".plot");
  card.querySelector(".numbers tbody").replaceChildren(...rows.map(([at, n, ...values]) => {
    const row = document.createElement("tr");
    const when = document.createElement("th");
    when.scope = "row";
    when.textContent = moment.format(at * 1000);
    row.append(when, ...[short.format(n), ...values.map((value) => told(plot, value))].map((text) => {
      const cell = document.createElement("td");
      cell.className = "num";
      cell.textContent = text;
      return cell;
    }));
    return row;
  }));
}

// A card of the page -> a function that draws it anew; nothing where there is nothing to draw.
function chart(card, { rows, lines }) {
  const plot = card.querySelector(".plot");
  const any = rows.length > 0;
  plot.hidden = card.querySelector(".numbers").hidden = !any;
  card.querySelector(".chart-empty").hidden = any;
  if (!any) return () => {};
  tabulate(card, rows);
  const data = columns(rows, plot.dataset.columns.split(",").map(Number), lines);
  const labels = plot.dataset.series.split("|");
  let drawn = null;
  return () => {
    drawn?.destroy();
    drawn = new uPlot(options(plot, labels, lines), data, plot);
  };
}

const again = () => redraws.forEach((redraw) => redraw());

async function load() {
  const response = await fetch(root.dataset.figures);
  if (!response.ok) return;
  const figures = await response.json();
  redraws = [...root.querySelectorAll("[data-chart]")].map((card) => chart(card, figures[card.dataset.chart]));
  again();
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
new MutationObserver(again).observe(document.documentElement, { attributeFilter: ["data-theme"] });
let width = root.clientWidth;
new ResizeObserver(() => {
  if (root.clientWidth !== width) again();
  width = root.clientWidth;
}).observe(root);
load();
