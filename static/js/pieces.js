// Gives named elements what a message says: an htmx extension for three tags in the HTML that comes over the socket.
//   <hx-set id=…>     another text, and other attributes; none of the text's element is made anew
//   <hx-part id=… key=…>   other content, unless the element already has that of this key
//   <hx-rows id=… key=…>   a list: rows with the same id and data-key stay as they are, in their place
// Sends gpumon:replaced (bubbling) from each element whose content was replaced.

const { htmx } = window;
const OF_THE_TAG = new Set(["id", "hx", "type", "key"]);

function set(given) {
  const element = document.getElementById(given.id);
  if (!element) return;
  const text = given.content.firstChild;
  if (text) {
    const shown = element.firstChild;
    if (shown?.nodeType === Node.TEXT_NODE) shown.data = text.data;
    else element.textContent = text.data;
  }
  for (const { name, value } of given.attributes) {
    if (!OF_THE_TAG.has(name)) element.setAttribute(name, value);
  }
  if (element.hasAttribute("data-unknown") && !given.hasAttribute("data-unknown")) {
    element.removeAttribute("data-unknown");
    element.removeAttribute("title");
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
  element.replaceChildren(given.content);
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

htmx.registerExtension("pieces", { htmx_process_set: set, htmx_process_part: part, htmx_process_rows: rows });
