// Day, night, or as the system says. A classic script in <head>: the choice is in force before the first paint.
(() => {
  const root = document.documentElement;
  const order = ["auto", "light", "dark"];

  function stored() {
    try {
      const value = localStorage.getItem("theme");
      return order.includes(value) ? value : "auto";
    } catch {
      return "auto"; // Storage may be refused, as in a marketplace's frame.
    }
  }

  function apply(theme) {
    if (theme === "auto") delete root.dataset.theme;
    else root.dataset.theme = theme;
  }

  function name(button, theme) {
    button.setAttribute("aria-label", button.dataset[theme]);
    button.title = button.dataset[theme];
  }

  apply(stored());
  root.dataset.scripted = "";

  document.addEventListener("DOMContentLoaded", () => {
    for (const button of document.querySelectorAll(".theme-toggle")) {
      name(button, stored());
      button.addEventListener("click", () => {
        const next = order[(order.indexOf(stored()) + 1) % order.length];
        try {
          localStorage.setItem("theme", next);
        } catch {
          // The choice then lasts as long as the page.
        }
        apply(next);
        name(button, next);
      });
    }
  });
})();
