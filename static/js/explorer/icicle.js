// Draws the nodes of a window as an icicle: one row a level, as wide as the masks they hold.
import { colour } from "../colours.js";
import { whole } from "../formats.js";

export const ROW = 22;
const GAP = 1;
const LABELLED = 46; // pixels: a narrower node has no room for its size
const TOKENS = ["accept", "reject", "open", "split", "sunken", "line-strong", "ink", "ink-soft", "surface", "focus", "warn", "chart-1", "chart-2"];
const FILLS = { 0: "line-strong", 1: "accept", 2: "reject", 3: "open", 4: "split", 5: "line-strong" };
const [ACCEPT, REJECT, OPEN, SPLIT, PARTS] = [1, 2, 3, 4, 5];

function colours() {
  return Object.fromEntries(TOKENS.map((name) => [name, colour(`--${name}`)]));
}

// Low scores in the second chart colour, high ones in the first, through the surface between.
function scoreColour(score, palette) {
  const strength = Math.min(1, Math.abs(score - 0.5) * 2);
  return [score < 0.5 ? palette["chart-2"] : palette["chart-1"], 0.15 + 0.85 * strength];
}

function statusColour(nodes, i, palette) {
  const status = nodes.status[i];
  const own = nodes.asked.has(nodes.node[i]);
  if (status === ACCEPT || status === REJECT || status === OPEN) return [palette[FILLS[status]], own ? 1 : 0.45];
  if (status === SPLIT) return [palette.split, own ? 0.75 : 0.4];
  return [palette[FILLS[status]], status === PARTS ? 0.4 : 0.22];
}

export class Icicle {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.palette = colours();
    this.font = `600 11px ${getComputedStyle(document.body).fontFamily}`;
  }

  resize() {
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth, clientHeight } = this.canvas.parentElement;
    this.width = clientWidth;
    this.height = clientHeight;
    this.canvas.width = Math.round(clientWidth * ratio);
    this.canvas.height = Math.round(clientHeight * ratio);
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
  }

  recolour() {
    this.palette = colours();
  }

  x(leaf, view) {
    return ((leaf - view.lo) / (view.hi - view.lo)) * this.width;
  }

  draw(nodes, view, { selected, hovered, by }) {
    const { context } = this;
    context.clearRect(0, 0, this.width, this.height);
    if (!nodes) return;
    context.font = this.font;
    context.textBaseline = "middle";
    for (let i = 0; i < nodes.node.length; i += 1) this.#node(nodes, i, view, by);
    for (const id of [hovered, selected]) if (id !== undefined) this.#ring(id, view, id === selected, nodes);
  }

  #box(lo, hi, depth, view) {
    const left = Math.max(-2, this.x(lo, view));
    const right = Math.min(this.width + 2, this.x(hi, view));
    const y = (depth - view.top) * ROW;
    return [left, y, Math.max(0.75, right - left - (right - left > 3 ? GAP : 0)), ROW - GAP];
  }

  #node(nodes, i, view, by) {
    const { context, palette } = this;
    const box = this.#box(nodes.lo[i], nodes.hi[i], nodes.depth[i], view);
    if (box[1] > this.height || box[1] < -ROW || box[0] > this.width || box[0] + box[2] < 0) return;
    const [fill, strength] = by === "score" ? scoreColour(nodes.score[i], palette) : statusColour(nodes, i, palette);
    context.globalAlpha = strength;
    context.fillStyle = fill;
    context.fillRect(...box);
    context.globalAlpha = 1;
    if (nodes.byHand.has(nodes.node[i])) {
      context.strokeStyle = palette.warn;
      context.lineWidth = 2;
      context.strokeRect(box[0] + 1, box[1] + 1, Math.max(1, box[2] - 2), box[3] - 2);
    }
    if (box[2] > LABELLED) {
      context.fillStyle = strength > 0.7 ? palette.surface : palette.ink;
      const text = by === "score" ? nodes.score[i].toFixed(2) : whole(nodes.hi[i] - nodes.lo[i]);
      context.fillText(text, Math.max(box[0], 0) + 6, box[1] + ROW / 2);
    }
  }

  #ring(node, view, isSelected, nodes) {
    const { context, palette } = this;
    const [x, y, width, height] = this.#box(node.lo, node.hi, node.depth, view);
    context.strokeStyle = isSelected ? palette.ink : palette["ink-soft"];
    context.lineWidth = isSelected ? 3 : 1.5;
    context.strokeRect(x + 1, y + 1, Math.max(2, width - 2), height - 2);
    if (isSelected && nodes) {
      context.fillStyle = palette.ink;
      context.beginPath();
      const middle = Math.min(Math.max(x + width / 2, 6), this.width - 6);
      context.moveTo(middle - 6, y + height + 7);
      context.lineTo(middle + 6, y + height + 7);
      context.lineTo(middle, y + height + 1);
      context.fill();
    }
  }

  // The drawn node under a point, smaller ones included: the last one of its level whose box holds it.
  at(x, y, nodes, view) {
    const depth = Math.floor(view.top + y / ROW);
    const leaf = view.lo + (x / this.width) * (view.hi - view.lo);
    for (let i = nodes.node.length - 1; i >= 0; i -= 1) {
      if (nodes.depth[i] === depth && nodes.lo[i] <= leaf && leaf < nodes.hi[i]) return pick(nodes, i);
    }
    return undefined;
  }
}

export function pick(nodes, i) {
  return {
    node: nodes.node[i], lo: nodes.lo[i], hi: nodes.hi[i], depth: nodes.depth[i],
    score: nodes.score[i], status: nodes.status[i],
  };
}
