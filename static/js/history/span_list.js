// Fetches the list of what happened in the span, #in-span, for a new span. Hears and sends nothing; gpumon:replaced follows from it.

import { withSpan } from "./span.js";

const { htmx } = window;

export async function listAgain() {
  await htmx.ajax("GET", withSpan(location.href), { target: "#in-span", swap: "outerHTML" });
  document.getElementById("in-span")?.dispatchEvent(new CustomEvent("gpumon:replaced", { bubbles: true }));
}
