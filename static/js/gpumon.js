// The page's scripts, each on its own: they know one another by events alone. Without them the page reads as it came. The charts
// (sparklines.js, plots.js) are loaded by the pages that have them.

import "./pieces.js";
import "./connection.js";
import "./trouble.js";
import "./times.js";
import "./processes.js";
import "./keys.js";
import "./copy.js";

for (const element of document.querySelectorAll("[data-needs-script]")) element.hidden = false;
try {
  // Only those who want to be told of alerts load what tells them.
  if (localStorage.getItem("gpumon-tell")) import(document.querySelector("[data-socket]").dataset.alerts);
} catch {
  // storage is switched off, or nothing is live here
}
document.addEventListener("gpumon:replaced", (event) => {
  for (const element of event.target.querySelectorAll("[data-needs-script]")) element.hidden = false;
});
