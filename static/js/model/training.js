// The training curve, which grows while a model trains.
import uPlot from "../../vendor/uplot/uPlot.esm.js";
import { colour } from "../colours.js";
import { ask, base, COLOURS, kept, short, tabulate, value, whole } from "./charts.js";

const SHARES = ["ap50", "ap75", "correct"];
const spoken = (name) => name.replaceAll("_", " ");

export class Training {
  #found = null;
  #chart = null;

  constructor(card) {
    this.card = card;
    this.plot = card.querySelector(".plot");
    kept(this.plot, () => this.#draw());
  }

  async reload() {
    this.#found = (await ask(this.card.dataset.url)) ?? this.#found;
    const any = Boolean(this.#found?.rows.length);
    this.card.querySelector('[data-part="none"]').hidden = any;
    for (const part of ["found", "csv"]) this.card.querySelector(`[data-part="${part}"]`).hidden = !any;
    this.#tell(this.#found?.validation);
    if (any) this.#show();
  }

  #tell(validation) {
    this.card.querySelector('[data-part="validation"]').hidden = !validation;
    for (const [name, figure] of Object.entries(validation ?? {})) {
      const place = this.card.querySelector(`[data-figure="${name}"]`);
      if (place) place.textContent = (SHARES.includes(name) ? short : whole).format(figure);
    }
  }

  // The columns are iteration, total, the parts, learning rate; the last has another scale and is in the table.
  #show() {
    const head = document.createElement("tr");
    head.append(...this.#found.columns.map((name) => {
      const cell = document.createElement("th");
      cell.className = "num";
      cell.textContent = spoken(name);
      return cell;
    }));
    const table = this.card.querySelector(".numbers");
    table.querySelector("thead").replaceChildren(head);
    tabulate(table, this.#found.rows.map((row) => [...row.slice(0, -1), row.at(-1)?.toExponential(2)]));
    if (this.#chart?.series.length === this.#found.columns.length - 1) this.#chart.setData(this.#data());
    else this.#draw();
  }

  #data() {
    return this.#found.columns.slice(0, -1).map((_, column) => this.#found.rows.map((row) => row[column]));
  }

  #draw() {
    if (!this.#found?.rows.length) return;
    const { axis, options } = base(this.plot, 280);
    const names = this.#found.columns.slice(1, -1);
    this.#chart?.destroy();
    this.#chart = new uPlot({
      ...options,
      scales: { x: { time: false } },
      axes: [{ ...axis, label: this.plot.dataset.x }, { ...axis, size: 56 }],
      series: [
        { label: this.plot.dataset.x, value: (_, v) => (v == null ? "–" : whole.format(v)) },
        ...names.map((name, i) => ({ label: spoken(name), stroke: colour(COLOURS[i % COLOURS.length]), width: i ? 1.25 : 2.75, dash: i >= COLOURS.length ? [5, 4] : undefined, value, points: { show: this.#found.rows.length < 2 } })),
      ],
    }, this.#data(), this.plot);
  }
}
