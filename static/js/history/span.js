// The span that the page shows: a range that ends now, or from one time to another. The bar's links and form work without this
// script, by loading the page; with it, a new span is shown and put into the address without that.
// Hears clicks and changes in [data-range-bar], double-clicks on [data-plot], popstate; sends gpumon:span on document.

import { now } from "./clock.js";

const bar = document.querySelector("[data-range-bar]");
const links = [...bar.querySelectorAll("[data-range]")];
const [from, to] = bar.querySelectorAll("input[type=datetime-local]");
const TYPING_MS = 700;
const FIELDS_MS = 5000;
const NOW = 0.02; // part of a span that may be missing at its end when it counts as ending now
const zoomedFrom = []; // the spans to which double clicks lead back
let typed = null;
let isZooming = false;

const ranged = (link) => ({ range: link.dataset.range, seconds: Number(link.dataset.seconds) });
const fixed = (start, end) => ({ range: null, seconds: end - start, start, end });
const current = links.find((link) => link.hasAttribute("aria-current"));
let span = current ? ranged(current) : fixed(Number(bar.dataset.start), Number(bar.dataset.end));

export const isLive = () => span.range !== null;
export const edges = () => (span.range ? [now() - span.seconds, now()] : [span.start, span.end]);
export const seconds = () => span.seconds;

const utc = (at) => new Date(Math.round(at * 1000)).toISOString().replace(".000Z", "Z");
const local = (at) => {
  const date = new Date(at * 1000);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
};

// An address with this span in place of its own.
export function withSpan(address) {
  const url = new URL(address, location.href);
  for (const name of ["range", "from", "to"]) url.searchParams.delete(name);
  if (span.range) url.searchParams.set("range", span.range);
  else {
    url.searchParams.set("from", utc(span.start));
    url.searchParams.set("to", utc(span.end));
  }
  return url.href;
}

// The date fields of a range that moves on.
function writeFields() {
  const [start, end] = edges();
  for (const [field, at] of [[from, start], [to, end]]) if (field !== document.activeElement) field.value = local(at);
}

function write() {
  for (const link of links) {
    if (link.dataset.range === span.range) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
  writeFields();
  const later = bar.querySelector("[data-step='1']");
  const isLast = span.range !== null || span.end >= now();
  if (isLast) {
    later.removeAttribute("href");
    later.setAttribute("aria-disabled", "true");
  } else {
    later.href = "#later";
    later.removeAttribute("aria-disabled");
  }
}

function show(next, isNew = true) {
  span = next;
  write();
  if (isNew) history.pushState(span, "", withSpan(location.href));
  document.dispatchEvent(new CustomEvent("gpumon:span"));
}

// All charts that share the cursor report the same drag.
export function zoom(start, end) {
  if (isZooming) return;
  isZooming = true;
  queueMicrotask(() => {
    isZooming = false;
  });
  zoomedFrom.push(span);
  show(fixed(start, Math.max(end, start + 1)));
}

function step(direction) {
  const [start, end] = edges();
  const by = direction * span.seconds;
  if (end + by < now() - NOW * span.seconds) return show(fixed(start + by, end + by));
  const link = links.find((each) => Number(each.dataset.seconds) === Math.round(span.seconds));
  return show(link ? ranged(link) : fixed(now() - span.seconds, now()));
}

function typedSpan() {
  const [start, end] = [from, to].map((field) => new Date(field.value).getTime() / 1000);
  if (end - start >= 1 && start < now()) show(fixed(start, end));
  else bar.querySelector("form").reportValidity();
}

bar.addEventListener("click", (event) => {
  const link = event.target.closest("a");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  if (link.dataset.range) {
    event.preventDefault();
    show(ranged(link));
  } else if (link.dataset.step) {
    event.preventDefault();
    if (!link.hasAttribute("aria-disabled")) step(Number(link.dataset.step));
  }
});
bar.addEventListener("change", () => {
  clearTimeout(typed);
  typed = setTimeout(typedSpan, TYPING_MS);
});
bar.addEventListener("submit", (event) => {
  event.preventDefault();
  clearTimeout(typed);
  typedSpan();
});
document.addEventListener("dblclick", (event) => {
  if (event.target.closest?.("[data-plot]") && zoomedFrom.length) show(zoomedFrom.pop());
});
addEventListener("popstate", (event) => {
  if (event.state?.seconds) show(event.state, false);
});
history.replaceState(span, "");
setInterval(() => {
  if (span.range) writeFields();
}, FIELDS_MS);
bar.querySelector("[type=submit]").hidden = true; // a changed date is shown at once
write();
