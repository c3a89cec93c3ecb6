// Copies the value of [data-copy] to the clipboard. The button and, for screen readers, its label confirm it.
// Hears clicks on document; sends nothing.

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
  if (button.dataset.done === "") return;
  const label = button.getAttribute("aria-label");
  const shown = button.textContent;
  const isIcon = !shown.trim();
  const said = () => (isIcon ? button.getAttribute("aria-label") : button.textContent);
  const say = (words, name) => {
    if (label !== null) button.setAttribute("aria-label", name);
    if (isIcon) button.title = name;
    else button.textContent = words;
  };
  let words = "Copied";
  try {
    await copy(text);
  } catch (error) {
    words = `Not copied: ${error.message}`;
  }
  say(words, words);
  button.dataset.done = "";
  setTimeout(() => {
    if (said() === words) say(shown, label); // else a reading has changed it meanwhile
    delete button.dataset.done;
  }, 1500);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-copy]");
  if (button) clicked(button, button.dataset.copy);
});
