// Buttons that copy a text: links are long, and secret enough not to be shown whole.
import { toast } from "./toast.js";

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      toast(button.dataset.done);
    } catch {
      prompt(button.textContent, button.dataset.copy); // Plain http has no clipboard.
    }
  });
}
