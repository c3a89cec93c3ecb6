// Copies to the clipboard: [data-copy] its value, [data-copy-free] the free GPUs for CUDA, unless the readings are old. The
// button and, for screen readers, its label confirm it. Hears clicks on document; sends nothing.

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

async function clicked(button, text, isOld = false) {
  if (button.dataset.done === "") return;
  const isIcon = button.hasAttribute("aria-label");
  const said = () => (isIcon ? button.getAttribute("aria-label") : button.textContent);
  const say = (words) => {
    if (isIcon) button.setAttribute("aria-label", words);
    else button.textContent = words;
    if (isIcon) button.title = words;
  };
  const before = said();
  let words = "Copied";
  try {
    if (isOld) throw new Error("the readings are old");
    await copy(text);
  } catch (error) {
    words = `Not copied: ${error.message}`;
  }
  say(words);
  button.dataset.done = "";
  setTimeout(() => {
    if (said() === words) say(before); // else a reading has changed it meanwhile
    delete button.dataset.done;
  }, 1500);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-copy], [data-copy-free]");
  if (!button) return;
  if (button.dataset.copy) clicked(button, button.dataset.copy);
  else if (button.dataset.free) clicked(button, button.dataset.free, button.closest("[data-page]").dataset.state !== "live");
});
