// What each key means. Tap keys act once; hold keys act while they are down.
const TAPS = {
  y: "yes", arrowright: "yes",
  n: "no", arrowleft: "no",
  " ": "unsure", arrowdown: "unsure",
  u: "undo", backspace: "undo",
  "?": "help", h: "help",
};
const HOLDS = { o: "bare", f: "filled", z: "whole" };

const STORED = "maskgrove:keys";

export class Keys extends EventTarget {
  #held = new Set();

  constructor() {
    super();
    document.addEventListener("keydown", (event) => this.#down(event));
    document.addEventListener("keyup", (event) => this.#up(event.key.toLowerCase()));
    addEventListener("blur", () => this.#held.forEach((key) => this.#up(key)));
  }

  get isOn() {
    try {
      return localStorage.getItem(STORED) !== "off";
    } catch {
      return true;
    }
  }

  set isOn(on) {
    try {
      localStorage.setItem(STORED, on ? "on" : "off");
    } catch {
      // Then they stay on.
    }
  }

  #down(event) {
    const key = event.key.toLowerCase();
    if (!this.isOn || event.ctrlKey || event.metaKey || event.altKey || belongsElsewhere(event, key)) return;
    if (!(key in TAPS) && !(key in HOLDS)) return;
    event.preventDefault();
    if (event.repeat) return;
    if (key in TAPS) this.#tell("tap", TAPS[key], event);
    else this.#hold(key, event);
  }

  #hold(key, event) {
    this.#held.add(key);
    this.#tell("hold", HOLDS[key], event);
  }

  #up(key) {
    if (this.#held.delete(key)) this.#tell("release", HOLDS[key]);
  }

  #tell(type, action, event) {
    this.dispatchEvent(new CustomEvent(type, { detail: { action, at: event?.timeStamp } }));
  }
}

// A dialog has its own keys, and a focused control is worked by space.
function belongsElsewhere(event, key) {
  if (document.querySelector("dialog[open]")) return true;
  return key === " " && event.target.closest("button, a, input, summary") !== null;
}
