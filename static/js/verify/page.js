// The verify page: one mask after the other, a key or a touch for each.
import { toast } from "../toast.js";
import { Clock } from "./clock.js";
import { Deck } from "./deck.js";
import { Keys } from "./keys.js";
import { Outbox } from "./outbox.js";
import { Pace } from "./pace.js";
import { Refusals } from "./refusals.js";
import { Swipe } from "./swipe.js";

const REGRET_MS = 6000;
const TOO_SOON_MS = 150; // The second half of a double click: nobody can have seen the mask yet.

const byId = (id) => document.getElementById(id);
const read = (id) => JSON.parse(byId(id).textContent);

const hit = read("hit");
const texts = read("texts");
const items = hit.items;
const place = new Map(items.map((item, index) => [item.key, index]));

const page = byId("verify");
const stage = byId("stage");
const outbox = new Outbox();
const clock = new Clock();
const pace = new Pace();
const refusals = new Refusals(texts);
const keys = new Keys();
const swipe = new Swipe(stage);
const deck = new Deck(stage, items, (item) => fill(texts.photo, { category: item.category }));
const tabs = "BroadcastChannel" in window ? new BroadcastChannel("maskgrove:answers") : null;

let index = -1;
let isArmed = false;
let last = null; // The held answer that ends the HIT.
let answered = []; // Places in the order of their answers: what undo goes back through.

function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

// ── showing ──────────────────────────────────────────────────────────────────────────────────────

function painted() {
  return new Promise((resolve) => {
    requestAnimationFrame(() => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = resolve; // The first task after the frame.
      port2.postMessage(null);
    });
  });
}

async function show(next, since) {
  index = next;
  isArmed = false;
  delete stage.dataset.armed;
  page.dataset.state = "asking";
  describe();
  const card = deck.at(next);
  if (!card.isReady && !(await loaded(card, next))) return;
  deck.show(card);
  stage.dataset.state = "ready";
  look();
  await painted();
  if (index !== next) return;
  clock.restart();
  if (since !== undefined) performance.measure("maskgrove:next-mask", { start: since, end: performance.now() });
  deck.prepare(next);
  setTimeout(() => arm(next), TOO_SOON_MS);
}

async function loaded(card, next) {
  deck.hide();
  stage.dataset.state = "loading";
  deck.prepare(next);
  await card.ready;
  if (index !== next) return false;
  if (card.hasFailed) {
    stage.dataset.state = "failed";
    clock.restart();
    arm(next); // "Cannot tell" is the way on.
  }
  return card.isReady;
}

function arm(next) {
  if (index !== next) return;
  isArmed = true;
  stage.dataset.armed = String(next);
}

function describe() {
  const item = items[index];
  const done = items.filter((other) => other.answer).length;
  byId("category").textContent = item.category;
  for (const guide of document.querySelectorAll("[data-guide]")) guide.hidden = guide.dataset.guide !== item.category;
  count(done);
  byId("announce").textContent = fill(texts.place, { place: index + 1, total: items.length, category: item.category });
  byId("undo").disabled = answered.length === 0;
}

function count(done) {
  byId("count").textContent = String(Math.min(done + 1, items.length));
  byId("progress").value = done;
}

// ── answering ────────────────────────────────────────────────────────────────────────────────────

function answer(says, since) {
  if (page.dataset.state !== "asking" || !isArmed) return;
  if (stage.dataset.state === "failed" && says !== "unsure") return;
  const item = items[index];
  const elapsed = clock.stop();
  note(index, says);
  send(item, says, elapsed);
  tabs?.postMessage({ key: item.key, says });
  flash(says);
  if (pace.isHasty(elapsed)) toast(texts.hasty, "warn");
  advance(since);
}

// The last answer ends the HIT for good, so it waits for a moment in which it can be undone.
function send(item, says, elapsed) {
  const isHeld = items.every((other) => other.answer);
  const body = { says, elapsed_ms: elapsed };
  const id = outbox.add({ api: hit.api, key: item.key, verb: "answer", token: hit.token, body, isHeld });
  if (!isHeld) return;
  last = { id, timer: setTimeout(handIn, REGRET_MS) };
  byId("regret").hidden = false;
}

async function handIn() {
  await outbox.release();
  saved();
}

// Whoever let the held answer go, this page or another one: it cannot be undone any more.
function noteRelease() {
  if (last === null || outbox.entries.some((entry) => entry.id === last.id && entry.isHeld)) return;
  clearTimeout(last.timer);
  last = null;
  byId("regret").hidden = true;
}

function note(at, says) {
  items[at].answer = says;
  answered = answered.filter((other) => other !== at);
  if (says) answered.push(at);
}

function advance(since) {
  const ahead = items.findIndex((item, at) => at > index && !item.answer);
  const next = ahead >= 0 ? ahead : items.findIndex((item) => !item.answer);
  if (next >= 0) show(next, since);
  else finish();
}

function undo() {
  const isOver = page.dataset.state === "done";
  if (answered.length === 0 || (isOver ? !last : page.dataset.state !== "asking")) return;
  const place = answered.at(-1);
  const { key } = items[place];
  note(place, null);
  if (last === null || !outbox.takeBack(last.id)) outbox.add({ api: hit.api, key, verb: "undo", token: hit.token, body: {} });
  tabs?.postMessage({ key, says: null });
  flash("undo");
  show(place);
}

function flash(said) {
  const verdict = byId("verdict");
  verdict.className = "verdict";
  void verdict.offsetWidth; // Starts the animation again.
  verdict.textContent = texts[said];
  verdict.className = `verdict is-shown is-${said}`;
}

function finish() {
  index = -1;
  isArmed = false;
  delete stage.dataset.armed;
  clock.stop();
  deck.hide();
  count(items.length);
  byId("announce").textContent = texts.done;
  notice("done");
  saved();
}

function notice(state) {
  page.dataset.state = state;
  const panel = document.querySelector(`[data-notice="${state}"]`);
  panel?.querySelector("h1")?.focus();
}

// ── looking ──────────────────────────────────────────────────────────────────────────────────────

const views = { bare: false, filled: false, whole: false }; // Switched on by buttons.
const held = new Set(); // Inverted while a key or the photo is held.

function look() {
  for (const view of ["bare", "filled"]) stage.classList.toggle(`is-${view}`, views[view] !== held.has(view));
  const whole = views.whole !== held.has("whole");
  if (deck.current && whole !== deck.current.element.classList.contains("is-whole")) {
    if (whole) deck.current.zoomOut();
    else deck.current.zoomIn();
  }
}

function hold(view, on) {
  if (on) held.add(view);
  else held.delete(view);
  look();
}

// A mouse's focus would take the space bar from "cannot tell".
function giveBackFocus({ detail, currentTarget }) {
  if (detail > 0) currentTarget.blur();
}

for (const button of document.querySelectorAll("[data-view]")) {
  button.addEventListener("click", (event) => {
    giveBackFocus(event);
    views[button.dataset.view] = !views[button.dataset.view];
    button.setAttribute("aria-pressed", String(views[button.dataset.view]));
    look();
  });
}

// ── what is sent, and what is not yet ────────────────────────────────────────────────────────────

function saved(isWaiting = false) {
  const waiting = outbox.entries.filter((entry) => !entry.isHeld).length;
  const state = waiting === 0 ? "saved" : isWaiting || !navigator.onLine ? "waiting" : "saving";
  const label = byId("saved");
  if (label.dataset.state !== state || state === "waiting") {
    label.dataset.state = state;
    byId("saved-text").textContent = fill(texts[state], { count: waiting });
  }
}

function refused({ token, verb, status, type }) {
  if (token !== hit.token) toast(refusals.add({ type, verb }), "warn"); // Nothing else here hangs on an earlier HIT.
  else if (status === 401) notice("stale");
  else if (type === "worker-stopped") {
    outbox.drop(token);
    notice(type);
  } else toast(texts.refused, "reject");
}

function taken({ token, late, remaining }) {
  if (late && remaining > 0 && token === hit.token) notice("lease-expired");
}

outbox.addEventListener("change", () => {
  noteRelease();
  saved();
});
outbox.addEventListener("waiting", () => saved(true));
outbox.addEventListener("taken", (event) => taken(event.detail));
outbox.addEventListener("refused", (event) => refused(event.detail));
for (const event of ["online", "offline"]) addEventListener(event, () => saved());
addEventListener("online", () => stage.dataset.state === "failed" && index >= 0 && show(index));

tabs?.addEventListener("message", ({ data: { key, says } }) => {
  if (!place.has(key)) return;
  note(place.get(key), says);
  if (place.get(key) === index) advance();
  else if (index >= 0) describe();
});

// ── hands ────────────────────────────────────────────────────────────────────────────────────────

const taps = {
  yes: (since) => answer("yes", since),
  no: (since) => answer("no", since),
  unsure: (since) => answer("unsure", since),
  undo,
  help: () => byId("help").showModal(),
};

keys.addEventListener("tap", ({ detail }) => taps[detail.action](detail.at));
keys.addEventListener("hold", ({ detail }) => hold(detail.action, true));
keys.addEventListener("release", ({ detail }) => hold(detail.action, false));
swipe.addEventListener("swipe", ({ detail }) => taps[detail.action](detail.at));
swipe.addEventListener("hold", () => hold("bare", true));
swipe.addEventListener("release", () => hold("bare", false));

for (const button of document.querySelectorAll("[data-tap]")) {
  button.addEventListener("click", (event) => {
    giveBackFocus(event);
    taps[button.dataset.tap](event.timeStamp);
  });
}

byId("next").addEventListener("submit", async (event) => {
  event.preventDefault();
  await handIn();
  if (outbox.entries.length === 0) event.target.submit();
  else toast(texts.unsent, "warn");
});

byId("keys-on").checked = keys.isOn;
byId("keys-on").addEventListener("change", (event) => {
  keys.isOn = event.target.checked;
});

// ── start ────────────────────────────────────────────────────────────────────────────────────────

outbox.adopt(new Set(place.keys()), hit.token);
items.forEach((item, at) => item.answer && answered.push(at));
for (const { key, verb, body } of outbox.entries) {
  if (place.has(key)) note(place.get(key), verb === "answer" ? body.says : null);
}
outbox.flush();
saved();
advance();
