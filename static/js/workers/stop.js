// The stop page: what a choice would cost is counted as soon as it is made; the page stays while that takes time.
const scope = document.getElementById("scope");
const since = document.getElementById("since-field");
const price = document.getElementById("price");
const counting = document.getElementById("counting");
let latest = null;

function show() {
  since.hidden = scope.elements.counts.value !== "since";
}

// What a choice costs replaces what an earlier one did; where it cannot be had, the form asks for the whole page.
async function count() {
  latest?.abort();
  latest = new AbortController();
  const reason = document.getElementById("reason")?.value ?? "";
  document.getElementById("confirm")?.remove();
  counting.hidden = false;
  try {
    const response = await fetch(`?${new URLSearchParams(new FormData(scope))}`, { signal: latest.signal });
    if (!response.ok) throw new Error(response.statusText);
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const found = page.getElementById("confirm");
    if (!found) throw new Error("no answer");
    found.querySelector("#reason").value = reason;
    price.append(found);
    counting.hidden = true;
  } catch (error) {
    if (error.name !== "AbortError") scope.submit();
  }
}

scope.addEventListener("change", () => {
  show();
  if (since.hidden || scope.elements.since.value) count();
  else scope.elements.since.focus();
});
scope.addEventListener("submit", (event) => {
  event.preventDefault();
  count();
});
show();
if (!document.getElementById("confirm") && !scope.querySelector(".error")) count();
