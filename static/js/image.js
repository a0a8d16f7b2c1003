// An image with all its masks: which are drawn, and which one is meant.
const root = document.getElementById("image-masks");
const form = root.querySelector("form");
const rows = [...root.querySelectorAll("tr[data-mask]")];
const drawn = new Map([...root.querySelectorAll("g[data-mask]")].map((group) => [group.dataset.mask, group]));

function suits({ fate, category, score }, wanted) {
  const fates = wanted.getAll("fate");
  return fates.includes(fate) && (!wanted.get("category") || wanted.get("category") === category) && Number(score) >= Number(wanted.get("score"));
}

function filter() {
  const wanted = new FormData(form);
  form.querySelector("output").value = Number(wanted.get("score")).toFixed(2);
  root.classList.toggle("is-filled", wanted.has("fill"));
  for (const row of rows) {
    const shown = suits(row.dataset, wanted);
    row.hidden = !shown;
    drawn.get(row.dataset.mask).classList.toggle("is-hidden", !shown);
  }
}

function mean(mask) {
  for (const [key, group] of drawn) group.classList.toggle("is-meant", key === mask);
  for (const row of rows) row.classList.toggle("is-meant", row.dataset.mask === mask);
}

form.hidden = false;
form.addEventListener("input", filter);
for (const row of rows) {
  row.addEventListener("pointerenter", () => mean(row.dataset.mask));
  row.addEventListener("focusin", () => mean(row.dataset.mask));
}
for (const [key, group] of drawn) {
  group.addEventListener("pointerenter", () => mean(key));
  group.addEventListener("click", () => root.querySelector(`#mask-${key} a`).focus());
}
const asked = location.hash.match(/^#mask-(\d+)$/)?.[1];
if (asked && drawn.has(asked)) {
  form.elements.fate.forEach((box) => { box.checked = true; });
  mean(asked);
}
filter();
