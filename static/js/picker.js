// Pickers: Escape and a click elsewhere close them. That of free GPUs asks again every five seconds while it is open, because a
// GPU can be taken meanwhile. A page loads this when a picker is first opened, /free at once. Hears toggle, keydown and click on
// document, and htmx:after:request and htmx:error; sends gpumon:pick to the panel of free GPUs or, once there, to its form.

import "./copy.js";

const STEP_MS = 5000;
const FORM = "[data-free-form]";
const PANEL = ".picker-panel[hx-get]"; // the first answer brings the form
const picker = () => document.querySelector("[data-picker][open]");
let timer;

function ask() {
  const panel = picker()?.querySelector(PANEL);
  if (panel) (panel.querySelector(FORM) ?? panel).dispatchEvent(new CustomEvent("gpumon:pick"));
  else clearInterval(timer);
}

function toggled() {
  clearInterval(timer);
  if (!picker()) return;
  ask();
  timer = setInterval(ask, STEP_MS);
}

// toggle does not bubble
document.addEventListener("toggle", (event) => {
  if (event.target.matches?.("[data-picker]")) toggled();
}, true);
toggled();

function forget(event) {
  const choice = document.querySelector("#free-choice") ?? picker()?.querySelector(PANEL);
  if (!choice || !event.target.closest?.(`${FORM}, #free-choice, ${PANEL}`)) return;
  const reason = document.createElement("p");
  reason.className = "free-reason";
  reason.textContent = "The server does not respond: which GPUs are free is not known.";
  choice.replaceChildren(reason);
}

document.addEventListener("htmx:error", forget);
document.addEventListener("htmx:after:request", (event) => {
  if (!event.detail.ctx.response.raw.ok) forget(event);
});

document.addEventListener("keydown", (event) => {
  const open = picker();
  if (event.key !== "Escape" || !open) return;
  open.open = false;
  open.querySelector("summary").focus();
  event.preventDefault();
}, true);

document.addEventListener("click", (event) => {
  const open = picker();
  if (open && !open.contains(event.target)) open.open = false;
});
