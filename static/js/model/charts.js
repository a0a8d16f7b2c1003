// What the charts of the model page share: axes in the page's colours, tables behind them, drawing anew.
import { colour } from "../colours.js";

export const COLOURS = ["--chart-1", "--chart-2", "--chart-3", "--chart-4", "--chart-5", "--chart-6"];
const language = document.documentElement.lang;
export const whole = new Intl.NumberFormat(language, { maximumFractionDigits: 0 });
export const short = new Intl.NumberFormat(language, { maximumFractionDigits: 3 });
export const hundredths = new Intl.NumberFormat(language, { minimumFractionDigits: 2, maximumFractionDigits: 2 });

export function base(plot, height) {
  const font = `12px ${getComputedStyle(document.body).fontFamily}`;
  const line = { stroke: colour("--line"), width: 1 };
  const axis = { stroke: colour("--ink-soft"), grid: line, ticks: line, font, labelFont: font };
  return {
    axis,
    options: { width: plot.clientWidth, height: height ?? Math.max(240, Math.min(380, plot.clientWidth * 0.6)), cursor: { drag: { x: false, y: false } } },
  };
}

export const value = (_, v) => (v == null ? "–" : short.format(v));

// Points on the canvas under the lines: uPlot's own series share one x, these have theirs.
export function dots(x, y, { sizes, ink, alpha = 0.35 }) {
  return (chart) => {
    const { ctx } = chart;
    ctx.save();
    ctx.beginPath();
    ctx.rect(chart.bbox.left, chart.bbox.top, chart.bbox.width, chart.bbox.height);
    ctx.clip();
    ctx.fillStyle = ink;
    ctx.globalAlpha = alpha;
    for (let i = 0; i < x.length; i += 1) {
      const radius = (sizes ? Math.min(9, 1 + Math.log2(sizes[i]) / 1.6) : 1.8) * devicePixelRatio;
      ctx.beginPath();
      ctx.arc(chart.valToPos(x[i], "x", true), chart.valToPos(y[i], "y", true), radius, 0, 2 * Math.PI);
      ctx.fill();
    }
    ctx.restore();
  };
}

export function tabulate(table, rows) {
  table.querySelector("tbody").replaceChildren(...rows.map((cells) => {
    const row = document.createElement("tr");
    row.append(...cells.map((cell, i) => {
      const element = document.createElement(i ? "td" : "th");
      element.className = "num";
      if (!i) element.scope = "row";
      element.textContent = cell == null ? "–" : typeof cell === "number" ? short.format(cell) : cell;
      return element;
    }));
    return row;
  }));
}

// Draw now, and again when the theme or the width of the plot changes.
export function kept(plot, draw) {
  let width = plot.clientWidth;
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  new MutationObserver(draw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  new ResizeObserver(() => {
    if (plot.clientWidth && plot.clientWidth !== width) draw();
    width = plot.clientWidth;
  }).observe(plot);
  draw();
}

export async function ask(url) {
  const response = await fetch(url);
  return response.ok && !response.redirected ? response.json() : null;
}
