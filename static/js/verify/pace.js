// Notices a run of answers given faster than a person can look, and says so once in a while.
const HASTY_MS = 350;
const WINDOW = 8;
const HASTY_OF_WINDOW = 5;
const PAUSE = 15; // Answers between two warnings.

export class Pace {
  #recent = [];
  #sinceWarning = PAUSE;

  isHasty(elapsed) {
    this.#recent = [...this.#recent, elapsed].slice(-WINDOW);
    this.#sinceWarning += 1;
    const hasty = this.#recent.filter((each) => each < HASTY_MS).length;
    if (hasty < HASTY_OF_WINDOW || this.#sinceWarning < PAUSE) return false;
    this.#sinceWarning = 0;
    return true;
  }
}
