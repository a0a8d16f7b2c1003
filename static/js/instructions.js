// The editor of instructions: shows a text as workers will read it, while it is written.
const WAIT_MS = 250;

const editor = document.querySelector(".editor");
const text = document.getElementById("text");
const preview = document.getElementById("preview");

let timer = null;
let latest = 0;

// The site renders and sanitises, so that the preview is what workers get.
async function show() {
  const turn = (latest += 1);
  const response = await fetch(editor.dataset.preview, { method: "POST", body: new FormData(editor) }).catch(() => null);
  if (!response?.ok || turn !== latest) return; // Away for a moment, or a newer text is on its way.
  const fragment = new DOMParser().parseFromString(await response.text(), "text/html");
  preview.replaceChildren(...fragment.body.children);
  mark();
}

function mark() {
  if (text.value.trim() === "") preview.textContent = preview.dataset.empty;
}

text.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(show, WAIT_MS);
});

addEventListener("beforeunload", (event) => {
  if (text.value !== text.defaultValue && !editor.dataset.saving) event.preventDefault();
});
editor.addEventListener("submit", () => {
  editor.dataset.saving = "yes";
});

mark();
