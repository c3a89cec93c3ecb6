// Keyboard shortcuts: ? help, / filter, 0–9 a GPU, t cards or tiles, a alerts, d theme, Space pause, Esc back; off while typing.
// The viewer can turn them off: dictated words would press them. Hears keydown on document, clicks on [data-help-open] and
// changes of [data-keys]; sends gpumon:pause on document.

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

const KEY = "gpumon-keys";
const choice = document.querySelector("[data-keys]");
try {
  choice.checked = localStorage.getItem(KEY) !== "off";
} catch {
  // storage is disabled: the choice lasts as long as the page
}
choice.addEventListener("change", () => {
  try {
    localStorage.setItem(KEY, choice.checked ? "on" : "off");
  } catch {
    // as above
  }
});

document.addEventListener("keydown", (event) => {
  // A key held down acts once: repeats would flash the theme and open many sockets.
  if (event.defaultPrevented || event.repeat || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (isTyping(event.target)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (document.querySelector("dialog[open]") && !(help.open && event.key === "?")) return;
  if (event.key === " " && isPressing(event.target)) return;
  if (!choice.checked && event.key !== "Escape") return;
  const done = /^[0-9]$/.test(event.key) ? goToGpu(event.key) : ACTIONS[event.key]?.();
  if (done) event.preventDefault();
});

document.querySelector("[data-help-open]").addEventListener("click", () => help.showModal());
