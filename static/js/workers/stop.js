// The stop page: what a choice would cost is counted as soon as it is made.
const scope = document.getElementById("scope");
const since = document.getElementById("since-field");

function show() {
  since.hidden = scope.elements.counts.value !== "since";
}

scope.addEventListener("change", () => {
  show();
  if (since.hidden || scope.elements.since.value) scope.requestSubmit();
  else scope.elements.since.focus();
});
show();
