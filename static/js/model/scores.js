// Score against real IoU of the held-out predictions, of one category or of all.
import { fine, whole } from "../formats.js";
import { Chart, figures, line } from "../plotting.js";

const UNIT = { range: [0, 1], format: fine };

// From 0 to 1, so that the straight lines reach both ends; the mean is known where there are masks.
function described({ bins, points: [x, y], k_iou: k }, words) {
  const scores = [0, ...bins.map(([, , score]) => score), 1];
  return {
    x: { ...UNIT, label: words.x },
    y: { ...UNIT, label: words.y },
    series: [
      line(words.mean, "--chart-1", { width: 2.5, isDotted: true }),
      line("s = IoU", "--ink-faint", { width: 1, dash: [5, 5] }),
      line("K_iou", "--chart-2", { width: 1, dash: [2, 4] }),
    ],
    data: [scores, [null, ...bins.map(([, , , iou]) => iou), null], scores, scores.map(() => k)],
    rows: bins.map(([from, masks, ...means]) => [fine(from), whole(masks), ...means.map(fine)]),
    points: { x, y, ink: "--chart-3" },
  };
}

export class Scores {
  constructor(card) {
    this.url = card.dataset.url;
    this.chart = new Chart(card, described);
    const select = card.querySelector("select");
    select.addEventListener("change", () => this.reload(select.value));
  }

  async reload(category = "") {
    const found = await figures(`${this.url}&category=${category}`);
    if (found) this.chart.show(found);
  }
}
