// The page on one worker: how they did over time, with the numbers behind each chart.
import { percent, short, when, whole } from "../formats.js";
import { Chart, figures, line, timeline } from "../plotting.js";

const root = document.getElementById("worker");
const INKS = ["--chart-1", "--chart-3", "--chart-6"];
const THRESHOLDS = { watched: { ink: "--warn", dash: [2, 4] }, stopped: { ink: "--reject", dash: [6, 4] } };
const UNITS = {
  "%": { format: percent, range: [0, 1.02] },
  s: { format: (seconds) => `${short(seconds)} s` },
};

function described({ rows, lines }, words) {
  if (!rows.length) return null;
  const y = UNITS[words.unit];
  const places = words.columns.split(",").map(Number);
  const thresholds = lines.map(([name, level]) => ({ level, drawn: line(words[name], THRESHOLDS[name].ink, { width: 1.2, dash: THRESHOLDS[name].dash }) }));
  return {
    x: timeline(words.until),
    y,
    series: [
      ...words.series.split("|").map((label, i) => line(label, INKS[i], { width: i ? 1.6 : 2.5 })),
      ...thresholds.map(({ drawn }) => drawn),
    ],
    data: [
      rows.map(([at]) => at),
      ...places.map((place) => rows.map((row) => row[place])),
      ...thresholds.map(({ level }) => rows.map(() => level)),
    ],
    rows: rows.map(([at, n, ...values]) => [when(at), whole(n), ...values.map(y.format)]),
  };
}

const found = await figures(root.dataset.figures);
for (const card of root.querySelectorAll("[data-chart]")) new Chart(card, described).show(found?.[card.dataset.chart]);
