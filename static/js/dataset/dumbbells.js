// Per category the accepted masks against the initial set, on a logarithmic scale.
import { whole } from "../formats.js";

const SVG = "http://www.w3.org/2000/svg";

function drawn(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

function row([name, accepted, initial], x) {
  const line = document.createElement("div");
  line.className = "dumbbell";
  const label = document.createElement("span");
  label.textContent = name;
  const svg = drawn("svg", { viewBox: "0 0 1000 20", preserveAspectRatio: "none", "aria-hidden": "true" });
  const [a, b] = [x(accepted), x(initial)];
  svg.append(drawn("line", { class: "dumbbell-track", x1: 0, x2: 1000, y1: 10, y2: 10 }));
  svg.append(drawn("line", { class: "dumbbell-span", x1: Math.min(a, b), x2: Math.max(a, b), y1: 10, y2: 10 }));
  svg.append(drawn("rect", { class: "is-chart-2", x: b - 4, y: 4, width: 8, height: 12 }));
  svg.append(drawn("rect", { class: "is-chart-1", x: a - 4, y: 2, width: 8, height: 16 }));
  const numbers = document.createElement("span");
  numbers.className = "num faint";
  numbers.textContent = `${whole(accepted)} / ${whole(initial)}`;
  line.append(label, svg, numbers);
  return line;
}

export function dumbbells(box, rows) {
  const most = Math.log10(1 + Math.max(1, ...rows.flatMap(([, a, b]) => [a, b])));
  const x = (n) => 8 + (984 * Math.log10(1 + n)) / most;
  box.replaceChildren(...rows.map((one) => row(one, x)));
}
