// The dataset page: asks until everything is counted, then draws each chart with the numbers behind it.
import { onTheme } from "../colours.js";
import { between, percent, short, tenths, whole } from "../formats.js";
import { bars, Chart, line, tabulate } from "../plotting.js";
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

// (x, accepted, initial) rows -> a line beside bars.
function compared(x, rows) {
  return {
    x,
    y: { format: percent },
    series: [bars(words.accepted, "--chart-1"), line(words.initial, "--chart-2", { isDotted: true })],
    data: [rows.map(([value]) => value), shares(rows.map(([, n]) => n)), shares(rows.map(([, , n]) => n))],
    rows: rows.map(([value, ...counts]) => [x.format(value), ...counts.map(whole)]),
  };
}

function perImage({ accepted: { per_image: counts }, initial }, { x: label }) {
  const format = (n) => (n === counts.length ? `${n}+` : whole(n)); // The last holds all above it, too.
  const x = { label, format, range: [0.4, counts.length + 0.6], incrs: [1, 2, 5, 10, 20] };
  return compared(x, counts.map((n, i) => [i + 1, n, initial.per_image[i]]));
}

function sizes({ accepted: { sizes: counts }, initial }, { x: label }) {
  const half = 0.5 / counts.length;
  const x = { label, format: (side) => between(side - half, side + half, short), tick: short, range: [0, 1] };
  return compared(x, counts.map((n, i) => [(2 * i + 1) * half, n, initial.sizes[i]]));
}

const CHARTS = { "per-image": perImage, sizes };

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
  for (const [name, describe] of Object.entries(CHARTS)) new Chart(card(name), describe).show(found);
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
