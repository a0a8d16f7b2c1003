// Loads a photo again whose storage was away for a moment. A classic script in <head>: no failure comes before it.
(() => {
  const MOST = 6; // Requests for one photo: the storage is away for longer then.
  const LONGEST_MS = 60_000;
  const tries = new WeakMap();

  // Whether the server said that it may be there later, and when.
  async function wait(address) {
    const answer = await fetch(address, { cache: "no-store" });
    if (answer.ok) return 0;
    return answer.status === 503 ? Number(answer.headers.get("Retry-After") || 5) * 1000 : null;
  }

  async function again(image) {
    const tried = (tries.get(image) ?? 0) + 1;
    if (tried > MOST) return;
    tries.set(image, tried);
    const ms = await wait(image.src).catch(() => null);
    if (ms === null || !image.isConnected) return;
    setTimeout(() => (image.src = image.src), Math.min(ms * tried, LONGEST_MS));
  }

  document.addEventListener(
    "error",
    ({ target }) => {
      if (target instanceof HTMLImageElement && new URL(target.src).origin === location.origin) again(target);
    },
    true,
  );
})();
