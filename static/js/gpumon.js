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
document.addEventListener("gpumon:replaced", (event) => {
  for (const element of event.target.querySelectorAll("[data-needs-script]")) element.hidden = false;
});
