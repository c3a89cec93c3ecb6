// Keeps the list of what happened in the span, #in-span: for a new span, after a change of the open alerts, and while a range moves on.
// Hears gpumon:span and gpumon:replaced on document; sends nothing.

import { isLive, withSpan } from "./span.js";

const { htmx } = window;
const OLD_MS = 30_000;
const WRITTEN_MS = 2000; // after which the database has what the engine has decided

async function list() {
  if (document.getElementById("in-span").contains(document.activeElement)) return;
  await htmx.ajax("GET", withSpan(location.href), { target: "#in-span", swap: "outerHTML" });
}

document.addEventListener("gpumon:span", list);
setInterval(() => {
  if (isLive() && !document.hidden) list();
}, OLD_MS);
document.addEventListener("gpumon:replaced", ({ target }) => {
  if (target.id === "open-alerts") setTimeout(list, WRITTEN_MS);
});
