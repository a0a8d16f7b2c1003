// Which part of the tree is on the screen, and the nodes for it: fetched as the view comes to rest.
import { ROW } from "./icicle.js";

const REST_MS = 90;
const GLIDE_MS = 260;
const KEPT = 60;
const LEAST_PIXELS = 1;
const ABOVE = 2; // levels shown above the node that is zoomed to
const still = matchMedia("(prefers-reduced-motion: reduce)");

export class View {
  #kept = new Map();
  #resting = 0;
  #glide = 0;
  #pending = null;

  constructor(box, icicle, leaves, changed) {
    Object.assign(this, { box, icicle, leaves, changed });
    this.view = { lo: 0, hi: leaves, top: 0 };
    this.nodes = null;
  }

  get rows() {
    return Math.ceil(this.icicle.height / ROW) + 1;
  }

  // The whole tree, or one node with some levels above it.
  to({ lo, hi, depth }) {
    const pad = (hi - lo) * 0.02;
    this.move({ lo: lo - pad, hi: hi + pad, top: Math.max(0, depth - ABOVE) });
  }

  zoom(factor, at = 0.5) {
    const { lo, hi, top } = this.view;
    const centre = lo + (hi - lo) * at;
    const width = Math.min(this.leaves, Math.max(4, (hi - lo) * factor));
    this.move({ lo: centre - width * at, hi: centre + width * (1 - at), top }, false);
  }

  pan(leaves, levels) {
    const { lo, hi, top } = this.view;
    this.move({ lo: lo + leaves, hi: hi + leaves, top: Math.max(0, top + levels) }, false);
  }

  // Scroll as little as needed to have a node on the screen, and zoom to it when it would be too narrow.
  reveal(node) {
    const { lo, hi, top } = this.view;
    const pixels = ((node.hi - node.lo) / (hi - lo)) * this.icicle.width;
    if (pixels > this.icicle.width) this.to(node);
    else if (pixels < 24 || node.hi <= lo || node.lo >= hi) {
      const around = Math.max((node.hi - node.lo) * 12, 12);
      const middle = (node.lo + node.hi) / 2;
      const topped = Math.min(Math.max(top, node.depth - this.rows + 4), Math.max(0, node.depth - ABOVE));
      this.move({ lo: middle - around / 2, hi: middle + around / 2, top: topped });
    } else if (node.depth < top + 1 || node.depth > top + this.rows - 4) {
      this.move({ lo, hi, top: Math.max(0, node.depth - Math.floor(this.rows / 2)) });
    }
  }

  move(wanted, glides = true) {
    const goal = this.#within(wanted);
    cancelAnimationFrame(this.#glide);
    if (!glides || still.matches) {
      this.view = goal;
      this.changed();
    } else this.#glideTo(goal);
    clearTimeout(this.#resting);
    this.#resting = setTimeout(() => this.load(goal), REST_MS);
  }

  #within({ lo, hi, top }) {
    const width = Math.min(hi - lo, this.leaves);
    const start = Math.min(Math.max(lo, 0), this.leaves - width);
    return { lo: start, hi: start + width, top };
  }

  #glideTo(goal) {
    const from = this.view;
    const began = performance.now();
    const step = (now) => {
      const t = Math.min(1, (now - began) / GLIDE_MS);
      const eased = 1 - (1 - t) ** 3;
      const mixed = (name) => from[name] + (goal[name] - from[name]) * eased;
      this.view = { lo: mixed("lo"), hi: mixed("hi"), top: mixed("top") };
      this.changed();
      if (t < 1) this.#glide = requestAnimationFrame(step);
    };
    this.#glide = requestAnimationFrame(step);
  }

  async load(goal = this.view) {
    const leaves = goal.hi - goal.lo;
    const query = new URLSearchParams({
      lo: Math.max(0, Math.floor(goal.lo - leaves * 0.1)),
      hi: Math.min(this.leaves, Math.ceil(goal.hi + leaves * 0.1)),
      top: Math.max(0, Math.floor(goal.top) - 2),
      rows: this.rows + 4,
      least: Math.max(1, Math.floor((leaves / this.icicle.width) * LEAST_PIXELS)),
    });
    const address = `${this.box.dataset.visible}?${query}`;
    const nodes = this.#kept.get(address) ?? (await this.#fetch(address));
    if (!nodes) return;
    this.nodes = nodes;
    this.changed();
  }

  forget() {
    this.#kept.clear();
  }

  async #fetch(address) {
    this.#pending?.abort();
    const pending = new AbortController();
    this.#pending = pending;
    try {
      const response = await fetch(address, { signal: pending.signal });
      if (!response.ok) return null;
      const nodes = await response.json();
      nodes.asked = new Set(nodes.asked);
      nodes.byHand = new Set(nodes.by_hand);
      this.#kept.set(address, nodes);
      if (this.#kept.size > KEPT) this.#kept.delete(this.#kept.keys().next().value);
      return nodes;
    } catch {
      return null; // A newer view is wanted, or the site is away for a moment; the next move asks again.
    }
  }
}
