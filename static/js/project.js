// The overview of a project: swaps in what changed, draws what the answers bought.
import uPlot from "../vendor/uplot/uPlot.esm.js";

const LIVE_MS = 1500;
const live = document.getElementById("live");
const plot = document.getElementById("curve");
const numbers = document.querySelector(".numbers");
const buttons = [...document.querySelectorAll("[data-axis]")];
const figure = new Intl.NumberFormat(document.documentElement.lang);
const minutes = (hours) => hours * 60;

let axis = "questions";
let curve = null;
let chart = null;

function token(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// A custom property may hold light-dark(): let the browser resolve it to a colour.
function colour(name) {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const resolved = getComputedStyle(probe).color;
  probe.remove();
  return resolved;
}

function options(width) {
  const ink = colour("--ink-soft");
  const line = { stroke: colour("--line"), width: 1 };
  const font = `12px ${token("--font")}`;
  const axes = { stroke: ink, grid: line, ticks: line, font };
  const value = (_, v) => (v == null ? "–" : figure.format(Math.round(v * 10) / 10));
  return {
    width,
    height: Math.max(240, Math.min(420, width * 0.45)),
    scales: { x: { time: false } },
    axes: [{ ...axes, label: plot.dataset[axis], labelFont: font }, { ...axes, size: 64 }],
    series: [
      { label: plot.dataset[axis], value },
      { label: plot.dataset.accepted, stroke: colour("--chart-1"), width: 2.5, fill: colour("--accent-soft"), value, points: { show: false } },
      { label: plot.dataset.drawn, stroke: colour("--chart-2"), width: 2, dash: [6, 5], value, points: { show: false } },
    ],
  };
}

function series() {
  const x = axis === "questions" ? curve.questions : curve.hours.map(minutes);
  return [[0, ...x], [0, ...curve.accepted], [0, ...curve.drawn]];
}

function draw() {
  if (!curve?.at.length) return;
  document.getElementById("curve-empty").hidden = true;
  numbers.hidden = false;
  chart?.destroy();
  chart = new uPlot(options(plot.clientWidth), series(), plot);
  tabulate();
}

function tabulate() {
  const rows = curve.at.map((_, i) => [curve.questions[i], minutes(curve.hours[i]), curve.accepted[i], curve.drawn[i]]);
  document.querySelector("#curve-table tbody").replaceChildren(...rows.map((cells) => {
    const row = document.createElement("tr");
    row.append(...cells.map((cell) => {
      const td = document.createElement("td");
      td.className = "num";
      td.textContent = figure.format(Math.round(cell * 10) / 10);
      return td;
    }));
    return row;
  }));
}

// Replace only the sections whose markup changed, so that focus and selection elsewhere stay.
function swap(html) {
  const wanted = [...new DOMParser().parseFromString(html, "text/html").body.children];
  const known = new Map([...live.children].map((section) => [section.id, section]));
  let changed = false;
  for (const [place, section] of wanted.entries()) {
    const old = known.get(section.id);
    known.delete(section.id);
    if (old?.outerHTML === section.outerHTML) continue;
    changed = true;
    if (old) old.replaceWith(section);
    else live.insertBefore(section, live.children[place] ?? null);
  }
  for (const gone of known.values()) gone.remove();
  return changed;
}

async function refresh() {
  if (document.visibilityState === "visible") {
    const response = await fetch(live.dataset.live);
    if (response.redirected) return location.reload();
    if (response.ok && swap(await response.text())) await reload();
  }
}

async function reload() {
  const response = await fetch(plot.dataset.url);
  if (!response.ok) return;
  curve = await response.json();
  if (chart && curve.at.length) { chart.setData(series()); tabulate(); } else draw();
}

async function loop() {
  try {
    await refresh();
  } catch {
    // The site is away for a moment; the next round asks again.
  }
  setTimeout(loop, LIVE_MS);
}

for (const button of buttons) {
  button.addEventListener("click", () => {
    axis = button.dataset.axis;
    for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
    draw();
  });
}
new ResizeObserver(() => chart?.setSize({ width: plot.clientWidth, height: chart.height })).observe(plot);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
new MutationObserver(draw).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
reload().then(loop, loop);
