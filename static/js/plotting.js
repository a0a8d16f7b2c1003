// What the charts of a page have in common: colours and type of the page, its language, its table of numbers.
import { colour } from "./colours.js";

const language = document.documentElement.lang;
export const whole = new Intl.NumberFormat(language, { maximumFractionDigits: 0 });
export const short = new Intl.NumberFormat(language, { maximumFractionDigits: 2 });
export const percent = new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 1 });
const moment = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
export const when = (seconds) => moment.format(new Date(seconds * 1000));

export const told = (format) => (_, value) => (value == null ? "–" : format(value));

export function axes() {
  const font = `12px ${getComputedStyle(document.body).fontFamily}`;
  const line = { stroke: colour("--line"), width: 1 };
  return { stroke: colour("--ink-soft"), grid: line, ticks: line, font, labelFont: font };
}

// The same in another strength, for what lies between two lines.
export const faded = (name) => colour(name).replace(/^rgb\((.*)\)$/, "rgba($1, 0.18)");

// Rows of cells, the first of each naming it.
export function tabulate(numbers, rows) {
  numbers.querySelector("tbody").replaceChildren(...rows.map((cells) => {
    const row = document.createElement("tr");
    row.append(...cells.map((text, i) => {
      const cell = document.createElement(i ? "td" : "th");
      if (i) cell.className = "num";
      else cell.scope = "row";
      cell.textContent = text;
      return cell;
    }));
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

// Draws anew when the theme or the width of the plot changes.
export function redrawn(plot, redraw) {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  let width = plot.clientWidth;
  new ResizeObserver(() => {
    if (plot.clientWidth === width) return;
    width = plot.clientWidth;
    if (width) redraw();
  }).observe(plot);
}
