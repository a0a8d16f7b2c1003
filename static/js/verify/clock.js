// Counts the time that a person can have looked: while the page is visible and in focus.
export class Clock {
  #counted = 0;
  #since = null;
  #running = false;

  constructor() {
    for (const event of ["focus", "blur"]) addEventListener(event, () => this.#tick());
    document.addEventListener("visibilitychange", () => this.#tick());
  }

  restart() {
    this.#counted = 0;
    this.#since = null;
    this.#running = true;
    this.#tick();
  }

  stop() {
    this.#tick();
    this.#running = false;
    return this.elapsed;
  }

  get elapsed() {
    const open = this.#since === null ? 0 : performance.now() - this.#since;
    return Math.round(this.#counted + open);
  }

  #tick() {
    const now = performance.now();
    if (this.#since !== null) this.#counted += now - this.#since;
    const looking = this.#running && document.visibilityState === "visible" && document.hasFocus();
    this.#since = looking ? now : null;
  }
}
