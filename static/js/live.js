// Keeps a part of a page as the server has it: swaps in the children that changed, every moment or so.

const LIVE_MS = 1500;

// Put `section` in the place of `old`; focus goes on to the same link or button, if it is still there.
function replace(old, section) {
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  old.replaceWith(section);
  if (!focused) return;
  const same = [...section.querySelectorAll(focused.localName)].find((one) => one.isEqualNode(focused));
  same?.focus({ preventScroll: true });
}

// Replace only the sections whose markup changed, so that focus and selection elsewhere stay. Those with data-still
// look after themselves.
function swap(live, html) {
  const wanted = [...new DOMParser().parseFromString(html, "text/html").body.children];
  const known = new Map([...live.children].map((section) => [section.id, section]));
  let changed = false;
  for (const [place, section] of wanted.entries()) {
    const old = known.get(section.id);
    known.delete(section.id);
    if (old?.outerHTML === section.outerHTML || (old && "still" in old.dataset)) continue;
    changed = true;
    if (old) replace(old, section);
    else live.insertBefore(section, live.children[place] ?? null);
  }
  for (const gone of known.values()) gone.remove();
  return changed;
}

async function refresh(live, changed) {
  if (document.visibilityState !== "visible") return;
  const response = await fetch(live.dataset.live);
  if (response.redirected) location.reload();
  // What is being pressed stays until it is let go: a click needs the same element for both.
  else if (response.ok && !live.matches(":active") && swap(live, await response.text())) await changed();
}

// `live` names in data-live where its children come from; each has an id. `changed` is called after a swap.
export async function keepLive(live, changed = async () => {}) {
  try {
    await refresh(live, changed);
  } catch {
    // The site is away for a moment; the next round asks again.
  }
  setTimeout(keepLive, LIVE_MS, live, changed);
}
