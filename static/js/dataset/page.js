// The dataset page: asks until everything is counted, then draws each chart with the numbers behind it.
import { onTheme } from "../colours.js";
import { percent, short, tenths, whole } from "../formats.js";
import { bars, Chart, steps, tabulate } from "../plotting.js";
import { dumbbells } from "./dumbbells.js";
import { drawHeat } from "./heat.js";

const root = document.getElementById("dataset");
const words = root.dataset;
const counting = document.getElementById("counting");
const AGAIN_MS = 80;

const card = (chart) => root.querySelector(`[data-chart="${chart}"]`);
const numbers = (chart) => card(chart).querySelector(".numbers");

function tell(name, text) {
  root.querySelector(`[data-figure="${name}"]`).textContent = text;
}

// Two sets as shares of each, so that a small one can be compared with a large one.
function shares(values) {
  const all = values.reduce((sum, value) => sum + value, 0);
  return values.map((value) => (all ? value / all : 0));
}

// (label, accepted, initial) rows -> bars beside steps.
function compared(label, rows) {
  const labels = rows.map(([name]) => name);
  return {
    x: { label, format: (i) => labels[i] ?? "", range: [-0.6, labels.length - 0.4], incrs: [1, 2, 5, 10] },
    y: { format: percent },
    series: [bars(words.accepted, "--chart-1"), steps(words.initial, "--chart-2")],
    data: [labels.map((_, i) => i), shares(rows.map(([, n]) => n)), shares(rows.map(([, , n]) => n))],
    rows: rows.map(([name, ...counts]) => [name, ...counts.map(whole)]),
  };
}

function comparing(chart, rowsOf) {
  const { x } = card(chart).querySelector(".plot").dataset;
  return new Chart(card(chart), (found) => compared(x, rowsOf(found)));
}

const perImage = comparing("per-image", ({ accepted, initial }) =>
  accepted.per_image.map((n, i, { length }) => [`${i + 1}${i + 1 === length ? "+" : ""}`, n, initial.per_image[i]]));
const sizes = comparing("sizes", ({ accepted, initial }) =>
  accepted.sizes.map((n, i, { length }) => [short(i / length), n, initial.sizes[i]]));

function centres({ accepted, initial }) {
  const cells = accepted.centres.flatMap((row, y) => row.map((n, x) => [x / row.length, y / row.length, n, initial.centres[y][x]]));
  return cells.filter(([, , n, m]) => n || m).map(([x, y, n, m]) => [short(x), short(y), whole(n), whole(m)]);
}

function drawHeats(found) {
  for (const canvas of root.querySelectorAll("[data-heat]")) drawHeat(canvas, found[canvas.dataset.heat].centres);
}

function show(found) {
  const { accepted, categories } = found;
  document.getElementById("none").hidden = accepted.masks > 0;
  tell("masks", whole(accepted.masks));
  tell("images", whole(accepted.images));
  tell("per-image", accepted.images ? tenths(accepted.masks / accepted.images) : "–");
  perImage.show(found);
  sizes.show(found);
  drawHeats(found);
  onTheme(() => drawHeats(found));
  tabulate(numbers("centres"), centres(found));
  tabulate(numbers("categories"), categories.map(([name, ...counts]) => [name, ...counts.map(whole)]));
  dumbbells(card("categories").querySelector(".dumbbells"), categories);
}

async function ask() {
  const response = await fetch(words.figures);
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

ask();
