// Shows why a request that htmx sent has failed: in [data-request-problem] of the dialog it came from, else in that of
// the page. Requests of elements with data-quiet fail silently. Only fragments get into the page; a whole page, such as
// the login or an error, does not. Hears htmx:before:request, htmx:after:request and htmx:error; sends nothing.

const LOG_IN = "Your login has ended. Log in again in another tab, then try again here.";

function show(event, text) {
  const { target } = event;
  if (target.matches?.("[data-quiet]")) return;
  const place = (target.closest?.("dialog") ?? document).querySelector("[data-request-problem]");
  place.textContent = text;
  place.hidden = !text;
}

document.addEventListener("htmx:before:request", (event) => show(event, ""));

document.addEventListener("htmx:after:request", (event) => {
  const { response, text } = event.detail.ctx;
  const isHtml = response.headers.get("Content-Type")?.startsWith("text/html") ?? response.status === 204;
  if (isHtml && !/^\s*<!doctype/i.test(text)) return;
  event.preventDefault();
  show(event, response.raw.redirected ? LOG_IN : `The server could not do this (status ${response.status}). Reload the page and try again.`);
});

document.addEventListener("htmx:error", (event) => {
  if (event.detail.ctx) show(event, "The server does not respond. Try again in a moment.");
});
