// The set-up page: its parts as they are, the steps that open them, and uploads that go on after a break.
import { tenths, whole } from "./formats.js";
import { keepLive } from "./live.js";

const PARALLEL = 3;
const LONGEST_WAIT_MS = 30_000;

const form = document.getElementById("import-form");
const upload = document.getElementById("upload");
const said = document.getElementById("upload-said");
const bar = document.getElementById("upload-progress");
const chosenText = document.getElementById("chosen");
const stopButton = document.getElementById("upload-stop");
const drop = document.getElementById("drop");

let chosen = []; // [{ name, file }]
let control = null;

// ── parts that change ──

const opened = new Set();

function keepOpen() {
  for (const id of opened) {
    const details = document.getElementById(id);
    if (details) details.open = true;
  }
}

document.addEventListener(
  "toggle",
  (event) => {
    const { id, open, isConnected } = event.target;
    if (!id || !isConnected) return;
    if (open) opened.add(id);
    else opened.delete(id);
  },
  true,
);

for (const part of document.querySelectorAll("[data-live]")) keepLive(part, async () => keepOpen());

// ── steps ──

function show(key) {
  const step = document.getElementById(key);
  if (!step?.matches(".setup-step")) return;
  step.open = true;
  step.scrollIntoView({ block: "start" });
  step.focus({ preventScroll: true });
}

document.getElementById("steps").addEventListener("click", (event) => {
  const link = event.target.closest("[data-step]");
  if (link) show(link.dataset.step);
});
show(location.hash.slice(1) || document.getElementById("setup").dataset.at);

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-confirm]");
  if (button && !window.confirm(button.dataset.confirm)) event.preventDefault();
});

// ── the form of an import ──

function arrange() {
  const source = form.elements.source.value;
  for (const part of form.querySelectorAll("[data-source]")) part.hidden = part.dataset.source !== source;
  for (const part of form.querySelectorAll("[data-role]")) part.hidden = part.dataset.role !== form.elements.role.value;
}

form.addEventListener("change", arrange);
arrange();

const size = (bytes) => {
  const unit = bytes >= 1e9 ? ["GB", 1e9] : bytes >= 1e6 ? ["MB", 1e6] : ["kB", 1e3];
  return `${tenths(bytes / unit[1])} ${unit[0]}`;
};
const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const total = () => chosen.reduce((sum, one) => sum + one.file.size, 0);

function choose(files) {
  chosen = files.filter(({ name }) => !name.split("/").some((part) => part.startsWith(".")));
  chosenText.textContent = fill(said.dataset.chosen, { n: whole(chosen.length), size: size(total()) });
}

for (const id of ["choose-files", "choose-folder"]) {
  const input = document.getElementById(id);
  const take = () => choose([...input.files].map((file) => ({ name: file.webkitRelativePath || file.name, file })));
  input.addEventListener("change", take);
  if (input.files.length > 0) take(); // Chosen before this script was there.
}

async function read(entry, before = "") {
  if (entry.isFile) {
    const file = await new Promise((done, failed) => entry.file(done, failed));
    return [{ name: before + file.name, file }];
  }
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((done, failed) => reader.readEntries(done, failed));
    if (some.length === 0) break;
    for (const one of some) found.push(...(await read(one, `${before}${entry.name}/`)));
  }
  return found;
}

drop.addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("is-over");
});
drop.addEventListener("dragleave", () => drop.classList.remove("is-over"));
drop.addEventListener("drop", async (event) => {
  event.preventDefault();
  drop.classList.remove("is-over");
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
  choose((await Promise.all(entries.map((entry) => read(entry)))).flat());
});

// ── uploads: a list first, then every file piece by piece ──

const headers = () => ({ "X-CSRFToken": form.elements.csrfmiddlewaretoken.value });

// Ask until there is an answer that the site meant: a connection that breaks, or a site that is away, is waited for.
async function ask(url, body, signal) {
  for (let wait = 1000; ; wait = Math.min(2 * wait, LONGEST_WAIT_MS)) {
    const answer = await fetch(url, { method: "POST", headers: headers(), body, signal }).catch((error) => {
      if (signal.aborted) throw error;
      return null;
    });
    if (answer?.redirected) location.reload(); // To sign in again.
    if (answer && answer.status < 500) return answer;
    tell("waiting");
    await new Promise((done) => setTimeout(done, wait));
    if (signal.aborted) throw new DOMException("stopped", "AbortError");
  }
}

async function told(answer) {
  const json = await answer.json().catch(() => ({}));
  if (answer.status >= 400 && answer.status !== 409) throw new Error(json.error ?? `${answer.status} ${answer.statusText}`);
  return json;
}

async function send(file, url, received, advance, signal) {
  const piece = Number(form.dataset.piece);
  let at = received;
  advance(at);
  while (at < file.size) {
    const body = new Blob([file.slice(at, at + piece)], { type: "application/octet-stream" });
    const next = (await told(await ask(`${url}?at=${at}`, body, signal))).received;
    advance(next - at);
    at = next;
  }
}

async function sendAll(begun, signal) {
  const whole = total();
  const waiting = [...chosen.keys()];
  let done = 0;
  const advance = (bytes) => {
    done += bytes;
    bar.max = whole || 1;
    bar.value = done;
    tell("sending", { done: size(done), total: size(whole) });
  };
  const line = async () => {
    for (let number = waiting.shift(); number !== undefined; number = waiting.shift()) {
      const { file } = chosen[number];
      await send(file, `${begun.files}${number}/`, begun.received[number], advance, signal);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, line));
}

function tell(what, values = {}) {
  said.textContent = fill(said.dataset[what], values);
}

async function uploadChosen() {
  const data = new FormData(form);
  data.set("listed", JSON.stringify(chosen.map(({ name, file }) => [name, file.size])));
  control = new AbortController();
  const begun = await told(await ask(form.action, data, control.signal));
  await sendAll(begun, control.signal);
  const finished = await ask(begun.finish, new URLSearchParams({ do: "finish" }), control.signal);
  const answer = await finished.json();
  if (!finished.ok) throw new Error(answer.error);
}

form.addEventListener("submit", async (event) => {
  if (form.elements.source.value !== "upload") return;
  event.preventDefault();
  upload.hidden = false;
  if (chosen.length === 0) {
    tell("none");
    return;
  }
  const button = document.getElementById("import-button");
  button.disabled = true;
  stopButton.hidden = false;
  try {
    await uploadChosen();
    tell("whole");
    chosen = [];
    chosenText.textContent = "";
  } catch (error) {
    if (control?.signal.aborted) tell("stopped");
    else said.textContent = error.message;
    control?.abort();
  }
  control = null;
  button.disabled = false;
  stopButton.hidden = true;
});

stopButton.addEventListener("click", () => control?.abort());
addEventListener("beforeunload", (event) => {
  if (control) event.preventDefault();
});
