// Counts what was refused for good of what earlier pages kept, by why, and tells it in the visitor's language.
const KINDS = {
  "token-expired": "refused_late",
  "worker-stopped": "refused_stopped",
  stopped: "refused_stopped",
  "unknown-item": "refused_gone",
  "unknown-link": "refused_gone",
  ended: "refused_gone",
};

export class Refusals {
  #counts = new Map();

  constructor(texts) {
    this.texts = texts;
  }

  // The sentence on all that was refused like this one.
  add({ type, verb }) {
    const kind = verb === "undo" ? "refused_undo" : (KINDS[type] ?? "refused_else");
    const count = (this.#counts.get(kind) ?? 0) + 1;
    this.#counts.set(kind, count);
    return this.#told(kind, count);
  }

  // A sentence for each kind that there was.
  get told() {
    return Array.from(this.#counts, ([kind, count]) => this.#told(kind, count));
  }

  #told(kind, count) {
    return this.texts[kind].replace("{count}", count).replace("{days}", this.texts.days);
  }
}
