// The dialog in which an alert is acknowledged; loaded for viewers with the permission. htmx puts the form into it and sends it.
// Hears htmx:before:request on document, htmx:before:settle and gpumon:acknowledged on #acknowledge-dialog; sends nothing.

const dialog = document.getElementById("acknowledge-dialog");

document.addEventListener("htmx:before:request", (event) => {
  const { target, request } = event.detail.ctx;
  const isHere = dialog.querySelector("form")?.getAttribute("action") === request.action;
  if (target !== dialog || request.method !== "GET" || !isHere) return;
  event.preventDefault(); // the form of this alert is in the dialog, perhaps with a note that was begun
  dialog.showModal();
});

// In the same task as the swap: after it, a dialog that was closed at once would open again.
dialog.addEventListener("htmx:before:settle", () => {
  if (!dialog.open) dialog.showModal();
});

dialog.addEventListener("gpumon:acknowledged", () => {
  dialog.close();
  dialog.replaceChildren();
});
