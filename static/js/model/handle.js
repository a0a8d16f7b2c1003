// A value from 0 to 1 that is moved along a chart: by mouse, by touch, by keys.
const STEPS = { ArrowLeft: -0.01, ArrowDown: -0.01, ArrowRight: 0.01, ArrowUp: 0.01, PageDown: -0.1, PageUp: 0.1, Home: -1, End: 1 };

export class Handle {
  #chart = null;

  // `moved` is called with the value whenever it changes.
  constructor(element, at, moved) {
    this.element = element;
    this.value = at;
    this.moved = moved;
    this.grip = element.querySelector('[data-part="k-pa"]');
    element.addEventListener("keydown", (event) => this.#key(event));
    element.addEventListener("pointerdown", (event) => this.#grab(event));
    element.addEventListener("pointermove", (event) => element.hasPointerCapture(event.pointerId) && this.#follow(event));
  }

  // Stand on a chart, which is drawn anew now and then.
  over(chart) {
    const focused = document.activeElement === this.element;
    this.#chart = chart;
    chart.over.append(this.element);
    // A finger that begins on the chart may want to scroll: it taps to move the handle, or drags the handle itself.
    chart.over.addEventListener("pointerdown", (event) => {
      if (event.pointerType === "mouse" && !this.element.contains(event.target)) this.#grab(event);
    });
    chart.over.addEventListener("click", (event) => this.#follow(event));
    this.element.hidden = false;
    if (focused) this.element.focus();
    this.#place();
  }

  to(value) {
    const next = Math.round(100 * Math.min(1, Math.max(0, value))) / 100;
    if (next === this.value) return;
    this.value = next;
    this.#place();
    this.moved(next);
  }

  #place() {
    this.element.style.left = `${this.#chart.valToPos(this.value, "x")}px`;
    this.element.classList.toggle("is-right", this.value > 0.8);
    this.element.setAttribute("aria-valuenow", this.value.toFixed(2));
    this.grip.textContent = this.value.toFixed(2);
  }

  #key(event) {
    const step = STEPS[event.key];
    if (step === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.to(this.value + step);
  }

  #grab(event) {
    if (event.button) return;
    event.preventDefault();
    this.element.focus();
    this.element.setPointerCapture(event.pointerId);
    this.#follow(event);
  }

  #follow(event) {
    this.to(this.#chart.posToVal(event.clientX - this.#chart.over.getBoundingClientRect().left, "x"));
  }
}
