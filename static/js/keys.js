// Keyboard shortcuts: ? help, / filter, 0–9 a GPU, t cards or tiles, a alerts, d theme, Space pause, Esc back; off while typing.
// Hears keydown on document and clicks on [data-help-open]; sends gpumon:pause on document.

const help = document.querySelector("[data-help]");
const page = document.querySelector("[data-page]");

function goToGpu(index) {
  const link = document.querySelector(`[data-gpu-link="${index}"]`);
  if (!link) return false;
  link.scrollIntoView({ block: "center" });
  link.focus();
  return true;
}

function follow(selector) {
  const link = document.querySelector(selector);
  link?.click();
  return Boolean(link);
}

const ACTIONS = {
  "?": () => (help.open ? help.close() : help.showModal(), true),
  "/": () => (document.querySelector("[data-filter]")?.focus(), true),
  t: () => follow("[data-layout]:not([aria-current])"),
  a: () => follow("#alerts-link"),
  d: () => follow("[data-theme-switch]"),
  " ": () => document.dispatchEvent(new CustomEvent("gpumon:pause")),
  Escape: () => !page.querySelector("[data-layout]") && follow(".brand"),
};

const isTyping = (target) => target.closest?.("input, textarea, select, [contenteditable]");
// Space presses a focused button and scrolls a focused region; it pauses only where it would scroll the page.
const isPressing = (target) => target.closest?.("button, a, summary, [role=region]");

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (isTyping(event.target)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (document.querySelector("dialog[open]") && !(help.open && event.key === "?")) return;
  if (event.key === " " && isPressing(event.target)) return;
  const done = /^[0-9]$/.test(event.key) ? goToGpu(event.key) : ACTIONS[event.key]?.();
  if (done) event.preventDefault();
});

document.querySelector("[data-help-open]").addEventListener("click", () => help.showModal());
