// Score against real IoU of the held-out predictions, of one category or of all.
import { fine, whole } from "../formats.js";
import { Chart, figures, line } from "../plotting.js";

const UNIT = { range: [0, 1], format: fine };

export class Scores {
  constructor(card) {
    this.url = card.dataset.url;
    this.words = card.querySelector(".plot").dataset;
    this.chart = new Chart(card, (found) => this.#describe(found));
    const select = card.querySelector("select");
    select.addEventListener("change", () => this.reload(select.value));
  }

  async reload(category = "") {
    const found = await figures(`${this.url}&category=${category}`);
    if (found) this.chart.show(found);
  }

  // From 0 to 1, so that the straight lines reach both ends; the mean is known where there are masks.
  #describe({ bins, points: [x, y], k_iou: k }) {
    const scores = [0, ...bins.map(([, , score]) => score), 1];
    return {
      x: { ...UNIT, label: this.words.x },
      y: { ...UNIT, label: this.words.y },
      series: [
        line(this.words.mean, "--chart-1", { width: 2.5, points: { show: true, size: 6 } }),
        line("s = IoU", "--ink-faint", { width: 1, dash: [5, 5] }),
        line("K_iou", "--chart-2", { width: 1, dash: [2, 4] }),
      ],
      data: [scores, [null, ...bins.map(([, , , iou]) => iou), null], scores, scores.map(() => k)],
      rows: bins.map(([from, masks, ...means]) => [fine(from), whole(masks), ...means.map(fine)]),
      points: { x, y, ink: "--chart-3" },
    };
  }
}
