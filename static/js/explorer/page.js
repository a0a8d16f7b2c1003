// The explorer: an icicle to look over, a panel about one node, and keys to walk from node to node.
import { onTheme } from "../colours.js";
import { whole } from "../formats.js";
import { Icicle } from "./icicle.js";
import { View } from "./view.js";

const KEYS = { ArrowUp: "up", ArrowDown: "down", ArrowLeft: "left", ArrowRight: "right", "[": "previous", "]": "next" };
const DRAGGED = 5; // pixels: less is a click
const box = document.getElementById("grove");
const panel = document.getElementById("node");
const said = document.getElementById("grove-said");
const hover = document.getElementById("grove-hover");
const icicle = new Icicle(box.querySelector("canvas"));
const words = ["not asked about", "accepted", "rejected", "open", "split", "in parts"];
let selected = shown();
let hovered;
let by = "status";
let wanted = null; // the newest address whose panel is on its way

const view = new View(box, icicle, Number(box.dataset.leaves), draw);

function draw() {
  icicle.draw(view.nodes, view.view, { selected, hovered, by });
}

function article() {
  return panel.querySelector("[data-node]");
}

function shown() {
  const { node, lo, hi, depth } = article().dataset;
  return { node: Number(node), lo: Number(lo), hi: Number(hi), depth: Number(depth) };
}

function address(node) {
  return `${box.dataset.nodeUrl}${node}/`;
}

// Swap in the panel of a node; of several wanted in a row only the last one is shown.
async function go(url, { push = true } = {}) {
  wanted = url;
  const asked = new URL(url, location.href);
  asked.searchParams.set("part", "node");
  const response = await fetch(asked);
  if (wanted !== url) return;
  if (response.redirected || !response.ok) {
    location.assign(url);
    return;
  }
  panel.innerHTML = await response.text();
  if (push) history.pushState(null, "", url);
  selected = shown();
  said.textContent = `${panel.querySelector("h2").textContent.trim()}: ${panel.querySelector(".node-told").textContent.trim()}`;
  remember();
  view.reveal(selected);
  draw();
}

// "Compare" takes this node and the one marked before it.
function remember() {
  const link = panel.querySelector("[data-compare]");
  const marked = sessionStorage.getItem("compare");
  const key = article().dataset.key;
  if (!link || !marked || marked === key) return;
  link.search = new URLSearchParams({ a: marked, b: key });
}

function walkTo(direction) {
  const to = article().dataset[`walk${direction[0].toUpperCase()}${direction.slice(1)}`];
  if (to !== undefined) go(address(to));
}

box.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  const known = {
    Enter: () => view.to(selected), 0: () => view.to({ lo: 0, hi: view.leaves, depth: 0 }), Home: () => view.to({ lo: 0, hi: view.leaves, depth: 0 }),
    "+": () => view.zoom(0.6), "=": () => view.zoom(0.6), "-": () => view.zoom(1.6),
  };
  const act = KEYS[event.key] ? () => walkTo(KEYS[event.key]) : known[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

function place(event) {
  const { left, top } = box.getBoundingClientRect();
  return [event.clientX - left, event.clientY - top];
}

let drag = null;
box.addEventListener("pointerdown", (event) => {
  drag = { x: event.clientX, y: event.clientY, view: { ...view.view }, moved: false };
});

box.addEventListener("pointermove", (event) => {
  if (drag && event.buttons) {
    const [across, down] = [event.clientX - drag.x, event.clientY - drag.y];
    if (Math.abs(across) + Math.abs(down) > DRAGGED && !drag.moved) {
      drag.moved = true;
      box.setPointerCapture(event.pointerId);
    }
    if (!drag.moved) return;
    const leaves = ((drag.view.hi - drag.view.lo) * -across) / icicle.width;
    view.move({ lo: drag.view.lo + leaves, hi: drag.view.hi + leaves, top: Math.max(0, drag.view.top - down / 22) }, false);
    return;
  }
  if (!view.nodes) return;
  const found = icicle.at(...place(event), view.nodes, view.view);
  if (found?.node === hovered?.node) return;
  hovered = found;
  hover.textContent = found
    ? `Node ${found.node}: ${whole(found.hi - found.lo)} masks, mean score ${found.score.toFixed(3)}, ${words[found.status]}`
    : "\u00a0";
  draw();
});

box.addEventListener("pointerleave", () => {
  hovered = undefined;
  hover.textContent = "\u00a0";
  draw();
});

box.addEventListener("click", (event) => {
  const moved = drag?.moved;
  drag = null;
  if (moved || !view.nodes) return;
  const found = icicle.at(...place(event), view.nodes, view.view);
  if (!found) return;
  if (found.node === selected.node) view.to(found);
  else go(address(found.node));
});

box.addEventListener("wheel", (event) => {
  if (!event.ctrlKey && !event.shiftKey && document.activeElement !== box) return;
  event.preventDefault();
  if (event.shiftKey) view.pan(((view.view.hi - view.view.lo) * (event.deltaX || event.deltaY)) / icicle.width, 0);
  else view.zoom(Math.exp(event.deltaY * 0.002), place(event)[0] / icicle.width);
}, { passive: false });

panel.addEventListener("click", (event) => {
  const link = event.target.closest("[data-go], [data-more], [data-compare]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (link.matches("[data-compare]")) {
    sessionStorage.setItem("compare", article().dataset.key);
    return;
  }
  event.preventDefault();
  go(link.href, { push: link.matches("[data-go]") });
});

for (const button of document.querySelectorAll("[data-colour]")) {
  button.addEventListener("click", () => {
    by = button.dataset.colour;
    for (const other of document.querySelectorAll("[data-colour]")) other.setAttribute("aria-pressed", String(other === button));
    for (const legend of document.querySelectorAll("[data-legend]")) legend.hidden = legend.dataset.legend !== by;
    draw();
  });
}

const ZOOMS = { whole: () => view.to({ lo: 0, hi: view.leaves, depth: 0 }), node: () => view.to(selected), in: () => view.zoom(0.6), out: () => view.zoom(1.6) };
for (const button of document.querySelectorAll("[data-zoom]")) button.addEventListener("click", ZOOMS[button.dataset.zoom]);

addEventListener("popstate", () => go(location.href, { push: false }));

onTheme(() => {
  icicle.recolour();
  draw();
});
new ResizeObserver(() => {
  icicle.resize();
  view.load();
  draw();
}).observe(box);

icicle.resize();
remember();
if (selected.node) view.to({ ...selected, lo: Math.max(0, selected.lo - (selected.hi - selected.lo)), hi: Math.min(view.leaves, selected.hi + (selected.hi - selected.lo)) });
else view.load();
