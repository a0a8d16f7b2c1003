// Sends on what an earlier page could not, its held answer too, before the next one is opened; tells what was refused.
import { Outbox } from "./verify/outbox.js";
import { Refusals } from "./verify/refusals.js";

const refusals = new Refusals(JSON.parse(document.getElementById("texts").textContent));
const outbox = new Outbox();

outbox.addEventListener("refused", ({ detail }) => {
  refusals.add(detail);
  document.getElementById("not-taken").replaceChildren(...refusals.told.map(told));
});
outbox.release();

function told(sentence) {
  const line = document.createElement("p");
  line.className = "callout is-warn";
  line.textContent = sentence;
  return line;
}
