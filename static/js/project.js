// The overview of a project: swaps in what changed, and keeps the curve up to date.
import { Curve } from "./curve.js";

const LIVE_MS = 1500;
const live = document.getElementById("live");
const curve = new Curve(document.querySelector(".curve"));

// Replace only the sections whose markup changed, so that focus and selection elsewhere stay.
function swap(html) {
  const wanted = [...new DOMParser().parseFromString(html, "text/html").body.children];
  const known = new Map([...live.children].map((section) => [section.id, section]));
  let changed = false;
  for (const [place, section] of wanted.entries()) {
    const old = known.get(section.id);
    known.delete(section.id);
    if (old?.outerHTML === section.outerHTML) continue;
    changed = true;
    if (old) old.replaceWith(section);
    else live.insertBefore(section, live.children[place] ?? null);
  }
  for (const gone of known.values()) gone.remove();
  return changed;
}

async function refresh() {
  if (document.visibilityState !== "visible") return;
  const response = await fetch(live.dataset.live);
  if (response.redirected) location.reload();
  else if (response.ok && swap(await response.text())) await curve.reload();
}

async function loop() {
  try {
    await refresh();
  } catch {
    // The site is away for a moment; the next round asks again.
  }
  setTimeout(loop, LIVE_MS);
}

curve.reload().then(loop, loop);
