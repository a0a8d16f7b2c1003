// The training curve, which grows while a model trains.
import { fine, short, whole } from "../formats.js";
import { Chart, figures, line } from "../plotting.js";

const INKS = [1, 2, 3, 4, 5, 6].map((n) => `--chart-${n}`);
const SHARES = ["ap50", "ap75", "correct"];
const spoken = (name) => name.replaceAll("_", " ");

// The columns are iteration, total, the parts, learning rate; the last has another scale and is in the table.
function described({ columns, rows }, words) {
  if (!rows.length) return null;
  const names = columns.slice(1, -1);
  return {
    x: { label: words.x, format: whole },
    y: { format: fine },
    series: names.map((name, i) => line(spoken(name), INKS[i % INKS.length], { width: i ? 1.25 : 2.75, dash: i >= INKS.length ? [5, 4] : undefined })),
    data: columns.slice(0, -1).map((_, column) => rows.map((row) => row[column])),
    rows: rows.map(([iteration, ...losses]) => [whole(iteration), ...losses.slice(0, -1).map(fine), losses.at(-1)?.toExponential(2) ?? "–"]),
  };
}

export class Training {
  #found = null;

  constructor(card) {
    this.card = card;
    this.chart = new Chart(card, described);
  }

  async reload() {
    this.#found = (await figures(this.card.dataset.url)) ?? this.#found;
    const any = Boolean(this.#found?.rows.length);
    for (const part of ["found", "csv"]) this.card.querySelector(`[data-part="${part}"]`).hidden = !any;
    this.#tell(this.#found?.validation);
    if (any) this.#name(this.#found.columns);
    this.chart.show(this.#found);
  }

  #tell(validation) {
    this.card.querySelector('[data-part="validation"]').hidden = !validation;
    for (const [name, figure] of Object.entries(validation ?? {})) {
      const place = this.card.querySelector(`[data-figure="${name}"]`);
      if (place) place.textContent = (SHARES.includes(name) ? short : whole)(figure);
    }
  }

  #name(columns) {
    this.card.querySelector(".numbers thead tr").replaceChildren(...columns.map((name, i) => {
      const cell = document.createElement("th");
      cell.scope = "col";
      if (i) cell.className = "num";
      cell.textContent = spoken(name);
      return cell;
    }));
  }
}
