// The masks of a HIT as cards in the stage. The ones ahead are built and decoded before they are needed, so
// that showing the next one is a change of visibility and takes one frame.
const AHEAD = 10;
const BEHIND = 2;
const RETRIES = 2;
const RETRY_MS = 800;
const SVG = "http://www.w3.org/2000/svg";

export class Deck {
  #cards = new Map();

  constructor(stage, items, describe) {
    this.stage = stage;
    this.items = items;
    this.describe = describe;
    this.current = null;
  }

  // Builds what comes next and lets go of what is far behind.
  prepare(index) {
    for (const place of this.#cards.keys()) {
      if (place < index - BEHIND || place > index + AHEAD) this.#remove(place);
    }
    const last = Math.min(index + AHEAD, this.items.length - 1);
    for (let place = index; place <= last; place += 1) this.#card(place);
  }

  #remove(place) {
    this.#cards.get(place).element.remove();
    this.#cards.delete(place);
  }

  // A card whose photo did not load is built anew: the network may be back.
  #card(place) {
    if (this.#cards.get(place)?.hasFailed) this.#remove(place);
    if (!this.#cards.has(place)) {
      const card = new Card(this.items[place], this.describe(this.items[place]));
      this.stage.append(card.element);
      this.#cards.set(place, card);
    }
    return this.#cards.get(place);
  }

  // The card of a place; `isReady` says whether it can be shown within a frame.
  at(index) {
    return this.#card(index);
  }

  show(card) {
    if (card !== this.current) this.current?.hide();
    this.current = card;
    card.show();
  }

  hide() {
    this.current?.hide();
    this.current = null;
  }
}

class Card {
  constructor(item, description) {
    this.item = item;
    this.isReady = false;
    this.element = document.createElement("figure");
    this.element.className = "mask-card";
    this.photo = photo(item.crop, description);
    this.drawing = drawing(item);
    this.element.append(this.photo, this.drawing);
    this.#frame(item.box, item.size);
    this.hasFailed = false;
    this.ready = this.#decode(RETRIES).then(
      () => {
        this.isReady = true;
      },
      () => {
        this.hasFailed = true;
      },
    );
  }

  async #decode(retries) {
    try {
      await this.photo.decode();
    } catch (error) {
      if (retries === 0 || !this.element.isConnected) throw error;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      this.photo.src = this.item.crop;
      await this.#decode(retries - 1);
    }
  }

  #frame(box, [width, height]) {
    this.element.style.setProperty("--ratio", width / height);
    this.drawing.setAttribute("viewBox", box.join(" "));
  }

  show() {
    this.element.classList.add("is-current");
    this.element.removeAttribute("aria-hidden");
  }

  hide() {
    this.element.classList.remove("is-current");
    this.element.setAttribute("aria-hidden", "true");
    this.zoomIn();
  }

  // The whole photo, with a frame around the part that the crop shows.
  async zoomOut() {
    this.element.classList.add("is-whole");
    this.whole ??= photo(this.item.whole, this.photo.alt);
    try {
      await this.whole.decode();
    } catch {
      return this.zoomIn();
    }
    if (!this.element.classList.contains("is-whole")) return;
    this.photo.replaceWith(this.whole);
    this.#frame([0, 0, ...this.item.image], this.item.image);
  }

  zoomIn() {
    this.element.classList.remove("is-whole");
    this.whole?.replaceWith(this.photo);
    this.#frame(this.item.box, this.item.size);
  }
}

function photo(source, description) {
  const image = new Image();
  image.decoding = "sync"; // Painted in the same frame as the outline over it.
  image.draggable = false;
  image.alt = description;
  image.src = source;
  return image;
}

function drawing(item) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("aria-hidden", "true");
  const [x, y, width, height] = item.box;
  shape(svg, "rect", { class: "locator", x, y, width, height });
  shape(svg, "path", { class: "outline-fill", d: item.outline });
  shape(svg, "path", { class: "outline-casing", d: item.outline });
  shape(svg, "path", { class: "outline-line", d: item.outline });
  return svg;
}

function shape(svg, name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [attribute, value] of Object.entries(attributes)) element.setAttribute(attribute, value);
  svg.append(element);
}
