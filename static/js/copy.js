// Copies to the clipboard: [data-copy] its value, [data-copy-free] the free GPUs as CUDA_VISIBLE_DEVICES. The button and, for
// screen readers, its label confirm it. Hears clicks on document; sends nothing.

async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Without TLS there is no clipboard API; execCommand works from a click.
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  const isDone = document.execCommand("copy");
  area.remove();
  if (!isDone) throw new Error("the browser refused");
  return undefined;
}

async function clicked(button, text) {
  const before = button.dataset.label ?? button.getAttribute("aria-label") ?? button.textContent;
  button.dataset.label = before;
  let said = "Copied";
  try {
    await copy(text);
  } catch (error) {
    said = `Not copied: ${error.message}`;
  }
  const isIcon = button.hasAttribute("aria-label");
  const say = (words) => {
    if (isIcon) button.setAttribute("aria-label", words);
    else button.textContent = words;
    if (isIcon) button.title = words;
  };
  say(said);
  button.dataset.done = "";
  setTimeout(() => {
    say(before);
    delete button.dataset.done;
  }, 1500);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-copy], [data-copy-free]");
  if (!button) return;
  if (button.dataset.copy) clicked(button, button.dataset.copy);
  else clicked(button, `CUDA_VISIBLE_DEVICES=${button.dataset.free}`);
});
