// The API's description, drawn by Swagger UI; what is tried is done with the session of who looks.
import { onTheme } from "./colours.js";

const place = document.getElementById("api");
const token = document.querySelector("#csrf input").value;

function dress() {
  const { theme } = document.documentElement.dataset;
  const isDark = theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.classList.toggle("dark-mode", isDark);
}

dress();
onTheme(dress);

window.SwaggerUIBundle({
  domNode: place,
  url: place.dataset.schema,
  deepLinking: true,
  docExpansion: "none",
  filter: true,
  validatorUrl: null, // Nothing leaves the site.
  requestInterceptor: (request) => {
    if (new URL(request.url, location.href).origin === location.origin) request.headers["X-CSRFToken"] = token;
    return request;
  },
});
