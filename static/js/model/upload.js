// How far an upload is: large files take minutes, and a browser's own form says nothing meanwhile.
export function followUpload(form, progress) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const request = new XMLHttpRequest();
    const button = form.querySelector("button");
    button.disabled = true;
    progress.hidden = false;
    request.upload.addEventListener("progress", ({ loaded, total }) => {
      [progress.max, progress.value] = [total || 1, loaded];
    });
    // A refusal is the page itself, with what was wrong; anything else led to the page anew.
    request.addEventListener("load", () => {
      if (request.status === 400) {
        const answer = new DOMParser().parseFromString(request.responseText, "text/html").getElementById("offer-form");
        form.querySelectorAll(".errorlist, .error").forEach((told) => told.remove());
        for (const told of answer?.querySelectorAll(".errorlist") ?? []) form.querySelector("h3").after(document.adoptNode(told));
        for (const told of answer?.querySelectorAll(".error") ?? []) form.querySelector("h3").after(document.adoptNode(told));
        button.disabled = false;
        progress.hidden = true;
      } else location.assign(location.pathname);
    });
    request.addEventListener("error", () => form.submit());
    request.open("POST", form.action);
    request.send(new FormData(form));
  });
}
