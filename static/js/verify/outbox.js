// Answers on their way: posted in the order given, kept in the browser until the server has them.
//
// Entries live in localStorage, so a closed tab loses none and any worker page of the same browser sends
// them on. One tab sends at a time (Web Locks); without locks two tabs may post the same entry, which the
// server takes once. The latest entry may be held back for as long as it may be undone; leaving the page or
// hiding it, and opening another one, sends it off.
const PLACE = "maskgrove:outbox";
const LOCK = "maskgrove:outbox";
const HITS = "/api/items/"; // Where answers go that do not say: the test's have an address of their own.
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 20_000;
const TRY_AGAIN = new Set([408, 425, 429]);

export class Outbox extends EventTarget {
  #memory = [];
  #sending = null;
  #wait = FIRST_WAIT_MS;
  #timer = null;
  #own = new Set();

  constructor() {
    super();
    addEventListener("online", () => this.flush());
    addEventListener("pageshow", () => this.flush());
    addEventListener("pagehide", () => this.release());
    // A phone may end a hidden page without a word.
    document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && this.release());
    addEventListener("storage", ({ key }) => key === PLACE && this.dispatchEvent(new Event("change")));
  }

  get entries() {
    try {
      return JSON.parse(localStorage.getItem(PLACE)) ?? [];
    } catch {
      return this.#memory; // Storage is refused: the entries last as long as the page.
    }
  }

  #write(entries) {
    this.#memory = entries;
    try {
      localStorage.setItem(PLACE, JSON.stringify(entries));
    } catch {
      // As above.
    }
    this.dispatchEvent(new Event("change"));
  }

  add(entry) {
    const id = crypto.getRandomValues(new Uint32Array(2)).join("-");
    this.#write([...this.entries, { id, ...entry }]);
    this.flush();
    return id;
  }

  // Lets a held entry go, and resolves when nothing is under way any more.
  release() {
    if (this.entries.some((entry) => entry.isHeld)) {
      this.#write(this.entries.map((entry) => ({ ...entry, isHeld: false })));
    }
    return this.flush();
  }

  // Whether the entry was still held, and now is gone as if it had never been.
  takeBack(id) {
    const held = this.entries.find((entry) => entry.id === id && entry.isHeld);
    if (held) this.#write(this.entries.filter((entry) => entry.id !== id));
    return held !== undefined;
  }

  // A reloaded page has a fresh token for the items it shows.
  adopt(keys, token) {
    this.#own = keys;
    this.#write(this.entries.map((entry) => ({ ...entry, isHeld: false, ...(keys.has(entry.key) && { token }) })));
  }

  drop(token) {
    this.#write(this.entries.filter((entry) => entry.token !== token));
  }

  flush() {
    clearTimeout(this.#timer);
    this.#sending ??= this.#locked();
    return this.#sending;
  }

  // Browsers that keep storage from frames of other sites refuse locks there too: such an outbox is in memory.
  async #locked() {
    let isHeld = false;
    const send = () => {
      isHeld = true;
      return this.#send();
    };
    try {
      await (navigator.locks ? navigator.locks.request(LOCK, send) : Promise.resolve().then(send));
    } catch (error) {
      if (isHeld) throw error;
      await this.#send();
    }
  }

  async #send() {
    try {
      for (let entry; (entry = this.entries.find((each) => !each.isHeld)); ) {
        if (!(await this.#post(entry))) return this.#later();
        this.#wait = FIRST_WAIT_MS;
        this.#write(this.entries.filter((other) => other.id !== entry.id));
      }
    } finally {
      this.#sending = null; // In the same turn as the last look: what is added from here on is sent anew.
    }
  }

  // Whether the entry is done with: taken, or refused for good.
  async #post({ api = HITS, key, verb, body, token }) {
    let response;
    try {
      response = await fetch(`${api}${key}/${verb}`, {
        method: "POST",
        keepalive: true,
        credentials: "omit",
        headers: { Authorization: `Worker ${token}`, "Content-Type": "application/json" },
        body: JSON.stringify(body),
      });
    } catch {
      return false;
    }
    const notice = response.headers.get("X-Notice"); // Of a page of the site's own, which takes no answer.
    if (response.ok && !notice) {
      const taken = await response.json().catch(() => null);
      if (taken === null) return false; // Not the site's: of a portal that wants a login first.
      this.dispatchEvent(new CustomEvent("taken", { detail: { key, token, ...taken } }));
      return true;
    }
    if (response.status >= 500 || TRY_AGAIN.has(response.status)) return false;
    const problem = notice ? { type: notice } : await response.json().catch(() => null);
    if (typeof problem?.type !== "string") return false; // Of a proxy or portal on the way, as above.
    const { status } = response;
    this.dispatchEvent(new CustomEvent("refused", { detail: { ...problem, key, verb, token, status } }));
    return !(response.status === 401 && this.#own.has(key)); // Kept for the token of a reloaded page.
  }

  #later() {
    this.dispatchEvent(new Event("waiting"));
    this.#timer = setTimeout(() => this.flush(), this.#wait);
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT_MS);
  }
}
