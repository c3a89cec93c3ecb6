// Applies messages to the page: an htmx extension for three tags in the HTML that arrives on the socket.
//   <hx-set>               an object with, for each id, a text or attributes (and text); no element is replaced
//   <hx-part id=… key=…>   new content, unless the element already has the content with this key
//   <hx-rows id=… key=…>   a list: rows with the same id and data-key stay unchanged in their place
// Hears htmx:after:settle on document, which follows every other swap; sends gpumon:replaced (bubbling) from each element whose
// content was replaced.

import { replaceChips } from "./chips.js";

const { htmx } = window;

function setText(element, text) {
  const shown = element.firstChild;
  if (shown?.nodeType === Node.TEXT_NODE) shown.data = text;
  else element.textContent = text;
}

function set(given) {
  for (const [id, value] of Object.entries(JSON.parse(given.content.textContent))) {
    const element = document.getElementById(id);
    if (!element) continue;
    const { text, ...attributes } = typeof value === "string" ? { text: value } : value;
    if (element.hasAttribute("data-unknown") && attributes["data-unknown"] === undefined) {
      element.removeAttribute("data-unknown");
      element.removeAttribute("title");
    }
    if (text !== undefined) setText(element, text);
    for (const name in attributes) element.setAttribute(name, attributes[name]);
  }
}

function contentOf(given) {
  const element = document.getElementById(given.id);
  const key = given.getAttribute("key");
  if (!element || element.dataset.key === key) return null;
  element.dataset.key = key;
  return element;
}

function replaced(element) {
  element.dispatchEvent(new CustomEvent("gpumon:replaced", { bubbles: true }));
}

function part(given) {
  const element = contentOf(given);
  if (!element) return;
  if (element.matches(".chips")) replaceChips(element, given.content);
  else element.replaceChildren(given.content);
  htmx.process(element); // for its hx- attributes
  replaced(element);
}

function rows(given) {
  const element = contentOf(given);
  if (!element) return;
  const kept = new Map([...element.children].map((row) => [row.id, row]));
  for (const row of [...given.content.children]) {
    const old = kept.get(row.id);
    kept.delete(row.id);
    if (!old) element.append(row);
    else if (old.dataset.key !== row.dataset.key) old.replaceWith(row);
  }
  for (const gone of kept.values()) gone.remove();
  replaced(element);
}

document.addEventListener("htmx:after:settle", ({ target }) => replaced(target));
htmx.registerExtension("pieces", { htmx_process_set: set, htmx_process_part: part, htmx_process_rows: rows });
