// Swiping the photo: right is yes, left is no, up is cannot tell, down is undo. Pressing and holding it shows it bare.
const FAR_PX = 72;
const STILL_PX = 8;
const HOLD_MS = 220;

export class Swipe extends EventTarget {
  #start = null;
  #timer = null;
  #isHolding = false;

  constructor(stage) {
    super();
    this.stage = stage;
    stage.addEventListener("pointerdown", (event) => this.#begin(event));
    stage.addEventListener("pointermove", (event) => this.#move(event));
    stage.addEventListener("pointerup", (event) => this.#end(event));
    stage.addEventListener("pointercancel", () => this.#reset());
  }

  #begin(event) {
    if (!event.isPrimary || event.button !== 0) return;
    this.#start = event;
    this.stage.setPointerCapture(event.pointerId);
    this.#timer = setTimeout(() => this.#hold(true), HOLD_MS);
  }

  #move(event) {
    if (!this.#start) return;
    const [x, y] = this.#moved(event);
    if (Math.hypot(x, y) < STILL_PX || this.#isHolding) return;
    clearTimeout(this.#timer);
    this.stage.style.setProperty("--swipe-x", `${x}px`);
    this.stage.style.setProperty("--swipe-y", `${y}px`);
    this.stage.dataset.swipe = direction(x, y) ?? "";
  }

  #end(event) {
    if (!this.#start) return;
    const said = this.#isHolding ? null : direction(...this.#moved(event));
    this.#reset();
    if (said) this.dispatchEvent(new CustomEvent("swipe", { detail: { action: said, at: event.timeStamp } }));
  }

  #moved(event) {
    return [event.clientX - this.#start.clientX, event.clientY - this.#start.clientY];
  }

  #hold(holding) {
    if (this.#isHolding === holding) return;
    this.#isHolding = holding;
    this.dispatchEvent(new CustomEvent(holding ? "hold" : "release"));
  }

  #reset() {
    clearTimeout(this.#timer);
    this.#hold(false);
    this.#start = null;
    this.stage.style.removeProperty("--swipe-x");
    this.stage.style.removeProperty("--swipe-y");
    delete this.stage.dataset.swipe;
  }
}

function direction(x, y) {
  if (Math.abs(x) >= FAR_PX && Math.abs(x) > Math.abs(y)) return x > 0 ? "yes" : "no";
  if (Math.abs(y) >= FAR_PX) return y < 0 ? "unsure" : "undo";
  return null;
}
