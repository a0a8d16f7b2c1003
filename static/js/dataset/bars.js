// Two sets as shares of each, so that a small one can be compared with a large one.
import uPlot from "../../vendor/uplot/uPlot.esm.js";
import { colour } from "../colours.js";

const figure = new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: 1 });

function shares(values) {
  const all = values.reduce((sum, value) => sum + value, 0);
  return values.map((value) => (all ? (100 * value) / all : 0));
}

function options(plot, labels, names) {
  const font = `12px ${getComputedStyle(document.body).fontFamily}`;
  const line = { stroke: colour("--line"), width: 1 };
  const axes = { stroke: colour("--ink-soft"), grid: { show: false }, ticks: line, font };
  const value = (_, v) => (v == null ? "–" : `${figure.format(v)} %`);
  const path = uPlot.paths.bars({ size: [0.9, 60], gap: 1 });
  const steps = uPlot.paths.stepped({ align: 1 });
  return {
    width: plot.clientWidth,
    height: 260,
    scales: { x: { time: false, range: [-0.6, labels.length - 0.4] }, y: { range: (_, __, max) => [0, Math.max(1, max * 1.08)] } },
    axes: [
      { ...axes, label: plot.dataset.x, labelFont: font, values: (_, at) => at.map((i) => (Number.isInteger(i) ? labels[i] ?? "" : "")) },
      { ...axes, size: 52, grid: { ...line, show: true }, values: (_, at) => at.map((v) => `${v} %`) },
    ],
    series: [
      { label: plot.dataset.x, value: (_, i) => (i == null ? "–" : labels[i]) },
      { label: names[0], paths: path, fill: colour("--chart-1"), stroke: colour("--chart-1"), width: 0, value, points: { show: false } },
      { label: names[1], paths: steps, stroke: colour("--chart-2"), width: 2, value, points: { show: false } },
    ],
  };
}

// (label, first, second) rows -> a function that draws them anew.
export function bars(plot, rows, names) {
  let chart = null;
  const labels = rows.map(([label]) => label);
  const data = [labels.map((_, i) => i), shares(rows.map(([, n]) => n)), shares(rows.map(([, , n]) => n))];
  return () => {
    chart?.destroy();
    chart = new uPlot(options(plot, labels, names), data, plot);
  };
}
