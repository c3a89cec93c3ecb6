// The picker of free GPUs, a <details> that works without this: while it is open it asks again every five seconds, because a
// GPU can be taken meanwhile; Escape and a click elsewhere close it. Hears toggle, keydown and click on document, and
// htmx:after:request and htmx:error; sends gpumon:pick to the picker's form.

const STEP_MS = 5000;
const picker = () => document.querySelector("[data-picker][open]");
let timer;

function ask() {
  const form = picker()?.querySelector("[data-free-form]");
  if (form) form.dispatchEvent(new CustomEvent("gpumon:pick"));
  else clearInterval(timer);
}

// toggle does not bubble
document.addEventListener("toggle", (event) => {
  if (!event.target.matches?.("[data-picker]")) return;
  clearInterval(timer);
  if (!event.target.open) return;
  ask();
  timer = setInterval(ask, STEP_MS);
}, true);

function forget(event) {
  const choice = document.querySelector("#free-choice");
  if (!choice || !event.target.closest?.("[data-free-form], #free-choice")) return;
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
