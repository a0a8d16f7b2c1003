// How it goes: answers and accepted masks by the hour, and how often the crowd is right on gold.
import { between, percent, when, whole } from "./formats.js";
import { band, bars, Chart, choose, edge, figures, line, timeline } from "./plotting.js";

const HOUR = 60 * 60;
const INKS = { answers: "--chart-3", accepted: "--chart-1" };

function throughput({ at, ...counts }, words, counted) {
  return at.length && {
    x: timeline(words.x, HOUR),
    y: { format: whole },
    series: [bars(words[counted], INKS[counted], { align: 1 })],
    data: [at, counts[counted]],
    rows: at.map((hour, i) => [when(hour), whole(counts.answers[i]), whole(counts.accepted[i])]).reverse(),
  };
}

function gold({ at, answers, right, share, low, high }, words) {
  return at.length && {
    x: timeline(words.x),
    y: { format: percent, range: (_, least) => [Math.min(0.5, least), 1] },
    series: [
      line(words.share, "--chart-4", { width: 2.5, isDotted: true }),
      edge(words.low, "--chart-4"),
      edge(words.high, "--chart-4"),
    ],
    bands: [band(3, 2, "--chart-4")],
    data: [at, share, low, high],
    rows: at.map((until, i) => [when(until), whole(answers[i]), whole(right[i]), percent(share[i]), between(low[i], high[i], percent)]).reverse(),
  };
}

export class Progress {
  #found = null;
  #counted = "answers";

  constructor(box) {
    this.url = box.dataset.url;
    const card = (name) => box.querySelector(`[data-chart="${name}"]`);
    this.throughput = new Chart(card("throughput"), (points, words) => throughput(points, words, this.#counted));
    this.gold = new Chart(card("gold"), gold);
    choose(card("throughput").querySelectorAll("[data-series]"), ({ dataset }) => {
      this.#counted = dataset.series;
      this.throughput.show(this.#found?.throughput);
    });
  }

  async reload() {
    this.#found = (await figures(this.url)) ?? this.#found;
    this.throughput.show(this.#found?.throughput);
    this.gold.show(this.#found?.gold);
  }
}
