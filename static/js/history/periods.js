// Start and end of alerts, which charts shade and link: those of the span, in data-periods of #in-span, and those open now, which
// the socket sets in data-alerts-open of #charts. One that resolves while the page is open is kept. Hears and sends nothing.

import { now } from "./clock.js";

const known = new Map(); // by id: { start, end (null while open), severity, metric, gpu, href, label }
let openText = null;
let spanText = null;

function read() {
  const spans = document.getElementById("in-span")?.dataset.periods ?? "[]";
  const open = document.getElementById("charts")?.dataset.alertsOpen ?? "";
  if (spans !== spanText) {
    for (const [id, start, end, severity, metric, gpu, href, label] of JSON.parse(spans)) known.set(id, { start, end, severity, metric, gpu, href, label });
  }
  if (open !== openText || spans !== spanText) {
    const still = new Set();
    for (const [id, start, severity, metric] of open ? JSON.parse(open) : []) {
      still.add(id);
      const { href = "", label = severity, gpu = "" } = known.get(id) ?? {};
      known.set(id, { start, end: null, severity, metric, gpu, href, label });
    }
    const isListed = document.getElementById("charts") !== null;
    for (const [id, period] of known) if (isListed && period.end === null && !still.has(id)) period.end = now();
  }
  [spanText, openText] = [spans, open];
}

// Of these metrics, and of one GPU if it is named.
export function periodsOf(metrics, gpu = null) {
  read();
  return [...known.values()].filter((each) => metrics.includes(each.metric?.replace(/^(gpu|system)\./, "")) && (gpu === null || !each.gpu || each.gpu === gpu));
}
