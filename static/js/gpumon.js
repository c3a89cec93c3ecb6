// Loads the scripts of all pages, which communicate only through events, and shows the controls that need them. Pages load
// their other scripts themselves. Hears gpumon:replaced and toggle on document; sends nothing.

import "./pieces.js";
import "./connection.js";
import "./trouble.js";
import "./times.js";
import "./processes.js";
import "./keys.js";
import "./requests.js";

for (const element of document.querySelectorAll("[data-needs-script]")) element.hidden = false;
try {
  // Only for viewers who have switched on notifications or sound.
  if (localStorage.getItem("gpumon-tell")) import(document.querySelector("[data-socket]").dataset.alerts);
} catch {
  // storage is disabled, or the page has no socket
}
document.addEventListener("gpumon:replaced", (event) => {
  for (const element of event.target.querySelectorAll("[data-needs-script]")) element.hidden = false;
});
// toggle does not bubble
document.addEventListener("toggle", ({ target }) => {
  if (target.dataset.picker) import(target.dataset.picker);
}, true);
