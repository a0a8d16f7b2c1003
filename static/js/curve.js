// What the answers bought: accepted masks against questions or human time, and what is to be expected.
import { colour } from "./colours.js";
import { between, short, whole } from "./formats.js";
import { band, Chart, choose, edge, figures, line } from "./plotting.js";

const MOST_MINUTES = 180;

// What the horizontal axis counts, and how one of its values is drawn.
function scale(points, axis) {
  if (axis === "questions") return { unit: "questions", of: (value) => value };
  const longest = 60 * Math.max(0, ...points.hours, ...points.ahead.hours);
  return longest > MOST_MINUTES ? { unit: "hours", of: (value) => value } : { unit: "minutes", of: (value) => 60 * value };
}

function lines(words, isAhead) {
  const expected = [
    line(words.expected, "--chart-3", { width: 2.5, dash: [2, 4] }),
    edge(words.low, "--chart-3"),
    edge(words.high, "--chart-3"),
  ];
  return [
    line(words.accepted, "--chart-1", { width: 2.5, fill: colour("--accent-soft") }),
    line(words.drawn, "--chart-2", { dash: [6, 5] }),
    ...(isAhead ? expected : []),
  ];
}

const none = (list) => list.map(() => null);

function columns({ ahead, ...points }, axis, of) {
  const past = none(points.questions);
  return [
    [0, ...points[axis], ...ahead[axis]].map(of),
    [0, ...points.accepted, ...none(ahead.questions)],
    [0, ...points.drawn, ...ahead.drawn],
    ...(ahead.questions.length ? [ahead.expected, ahead.low, ahead.high].map((values) => [null, ...past, ...values]) : []),
  ];
}

function rows({ ahead, ...points }) {
  const past = points.questions.map((asked, i) => [whole(asked), short(points.hours[i]), whole(points.accepted[i]), whole(points.drawn[i]), "", ""]);
  const next = ahead.questions.map((asked, i) => [whole(asked), short(ahead.hours[i]), "", whole(ahead.drawn[i]), whole(ahead.expected[i]), between(ahead.low[i], ahead.high[i], whole)]);
  return [...past, ...next];
}

export class Curve {
  #axis = "questions";
  #points = null;

  constructor(card) {
    this.words = card.querySelector(".plot").dataset;
    this.chart = new Chart(card, (points) => this.#describe(points));
    choose(card.querySelectorAll("[data-axis]"), ({ dataset }) => {
      this.#axis = dataset.axis;
      this.chart.show(this.#points);
    });
  }

  async reload() {
    this.#points = (await figures(this.words.url)) ?? this.#points;
    this.chart.show(this.#points);
  }

  #describe(points) {
    if (!points.at.length) return null;
    const isAhead = points.ahead.questions.length > 0;
    const { unit, of } = scale(points, this.#axis);
    return {
      x: { label: this.words[unit], format: short },
      y: { format: whole },
      series: lines(this.words, isAhead),
      bands: isAhead ? [band(5, 4, "--chart-3")] : [],
      data: columns(points, this.#axis, of),
      rows: rows(points),
    };
  }
}
