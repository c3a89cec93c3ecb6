// The server's time: charts end at it, whatever the browser's clock says. Hears gpumon:message on document; sends nothing.

let ahead = 0; // seconds by which the server's clock is ahead

document.addEventListener("gpumon:message", ({ detail }) => {
  if (detail.time) ahead = detail.time - Date.now() / 1000;
});

export const now = () => Date.now() / 1000 + ahead;
