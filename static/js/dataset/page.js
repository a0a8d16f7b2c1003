// The dataset page: asks until everything is counted, then draws each chart with the numbers behind it.
import { bars } from "./bars.js";
import { drawHeat } from "./heat.js";
import { dumbbells } from "./dumbbells.js";

const root = document.getElementById("dataset");
const counting = document.getElementById("counting");
const whole = new Intl.NumberFormat(document.documentElement.lang);
const short = new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: 2 });
const AGAIN_MS = 80;
let redraws = [];

function card(chart) {
  return root.querySelector(`[data-chart="${chart}"]`);
}

function tabulate(chart, rows) {
  card(chart).querySelector(".numbers tbody").replaceChildren(...rows.map((cells) => {
    const row = document.createElement("tr");
    row.append(...cells.map((value, i) => {
      const cell = document.createElement(i ? "td" : "th");
      if (i) cell.className = "num";
      else cell.scope = "row";
      cell.textContent = typeof value === "number" ? short.format(value) : value;
      return cell;
    }));
    return row;
  }));
}

function told(name, text) {
  root.querySelector(`[data-figure="${name}"]`).textContent = text;
}

function show({ accepted, initial, categories }) {
  document.getElementById("none").hidden = accepted.masks > 0;
  told("masks", whole.format(accepted.masks));
  told("per-image", accepted.images ? short.format(accepted.masks / accepted.images) : "–");
  root.querySelector('[data-note="images"]').textContent = `in ${whole.format(accepted.images)} images`;
  const perImage = accepted.per_image.map((n, i) => [i + 1 === accepted.per_image.length ? `${i + 1}+` : String(i + 1), n, initial.per_image[i]]);
  const sizes = accepted.sizes.map((n, i) => [short.format(i / accepted.sizes.length), n, initial.sizes[i]]);
  tabulate("per-image", perImage);
  tabulate("sizes", sizes);
  tabulate("centres", accepted.centres.flatMap((row, y) => row.map((n, x) => [short.format(x / row.length), y / row.length, n, initial.centres[y][x]])).filter(([, , n, m]) => n || m));
  tabulate("categories", categories);
  const names = ["Accepted", "Initial set"];
  redraws = [
    bars(card("per-image").querySelector(".plot"), perImage, names),
    bars(card("sizes").querySelector(".plot"), sizes, names),
    () => root.querySelectorAll("[data-heat]").forEach((canvas) => drawHeat(canvas, { accepted, initial }[canvas.dataset.heat].centres)),
  ];
  for (const redraw of redraws) redraw();
  dumbbells(card("categories").querySelector(".dumbbells"), categories);
}

async function ask() {
  const response = await fetch(root.dataset.figures);
  if (response.redirected || !response.ok) {
    location.reload();
    return;
  }
  const { done, of, figures } = await response.json();
  const progress = counting.querySelector("progress");
  [progress.max, progress.value] = [of || 1, done];
  if (!figures) {
    setTimeout(ask, AGAIN_MS);
    return;
  }
  counting.hidden = true;
  show(figures);
}

const again = () => redraws.forEach((redraw) => redraw());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
new MutationObserver(again).observe(document.documentElement, { attributeFilter: ["data-theme"] });
let width = root.clientWidth;
new ResizeObserver(() => {
  if (root.clientWidth !== width) again();
  width = root.clientWidth;
}).observe(root);
ask();
