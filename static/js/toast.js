// A short message at the foot of the page; the region is announced by screen readers.
const SHOWN_MS = 5000;

export function toast(text, tone = "") {
  const region = document.getElementById("toasts");
  for (const earlier of region.children) if (earlier.textContent === text) earlier.remove();
  const message = document.createElement("div");
  message.className = `toast ${tone && `is-${tone}`}`;
  message.textContent = text;
  region.append(message);
  setTimeout(() => message.remove(), SHOWN_MS);
}
