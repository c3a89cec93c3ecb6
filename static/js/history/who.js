// Keeps the strip of who used the GPU, #who, at the span of the charts, and up to date while a range moves on. A span that is
// gone before its answer arrives is not asked for. Hears gpumon:span on document; sends nothing.

import { isLive, withSpan } from "./span.js";

const SETTLED_MS = 250;
const STEP_MS = 60_000;
const { htmx } = window;
const strip = document.getElementById("who");
let timer;

function ask() {
  htmx.ajax("GET", withSpan(strip.dataset.who), { source: strip, target: "#who", swap: "innerHTML" });
}

document.addEventListener("gpumon:span", () => {
  clearTimeout(timer);
  timer = setTimeout(ask, SETTLED_MS);
});
setInterval(() => {
  if (isLive() && !document.hidden) ask();
}, STEP_MS);
ask();
