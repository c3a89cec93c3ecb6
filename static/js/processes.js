// The process table: sorted by any column and filtered as one types; the address keeps both. Rows keep their place while
// values change, and never move under the pointer, with the focus in them or while text in them is selected.
// Hears clicks and input in [data-processes], clicks on [data-layout] and on links with a filter, gpumon:replaced from the rows and gpumon:message on
// document; sends nothing.

const panel = document.getElementById("processes"); // an alert's page has a table that stays as it is
const body = panel?.querySelector("tbody");
const filter = panel?.querySelector("[data-filter]");
const query = new URLSearchParams(location.search);
let sort = query.get("sort");
let isDescending = query.get("order") === "desc";

const links = [...(panel?.querySelectorAll("[data-sort]") ?? [])].filter((link) => link.matches("a"));
const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

// What a cell sorts by: its text, an amount of memory in MiB. Null is unknown.
function valueOf(cell) {
  const element = cell.querySelector(":scope > span") ?? cell;
  if (element.hasAttribute("data-unknown")) return null;
  const [, amount, unit] = element.textContent.match(/^([\d.]+)\s([MGT])iB$/) ?? [];
  return unit ? String(amount * 1024 ** "MGT".indexOf(unit)) : element.textContent;
}

function compare(one, other) {
  if (one === null || other === null) return (one === null) - (other === null); // unknown comes last in both directions
  return isDescending ? collator.compare(other, one) : collator.compare(one, other);
}

function isHeld() {
  const selection = document.getSelection();
  const isSelected = !selection.isCollapsed && body.contains(selection.anchorNode);
  return body.matches(":hover") || body.contains(document.activeElement) || isSelected;
}

function arrange() {
  const column = links.findIndex((link) => link.dataset.sort === sort);
  if (column < 0) return;
  const rows = [...body.rows].map((row, place) => ({ row, place, value: valueOf(row.cells[column]) }));
  rows.sort((one, other) => compare(one.value, other.value) || one.place - other.place);
  if (rows.every(({ place }, index) => place === index)) return;
  body.append(...rows.map(({ row }) => row));
}

// As monitor/web/components/process_filter.py: gpu, user and pid must be equal, any other word is looked for in the row.
function termsOf(text) {
  const found = text.toLowerCase().matchAll(/(?:(gpu|user|pid):)?(?:"([^"]*)"?|(\S+))/g);
  return [...found].map(([, field, quoted, word]) => ({ field, word: quoted || word })).filter(({ word }) => word);
}

function isShown(row, terms) {
  const textOf = (column) => row.cells[links.findIndex((link) => link.dataset.sort === column)].textContent.toLowerCase();
  const titles = [...row.querySelectorAll("[title]:not([data-unknown])")].map(({ title }) => title);
  const all = [row.textContent, ...titles].join(" ").toLowerCase();
  return terms.every(({ field, word }) => {
    if (!field) return all.includes(word);
    const text = textOf(field);
    return text === word || (field === "gpu" && text.split(".")[0] === word);
  });
}

function hideOthers() {
  const terms = termsOf(filter.value);
  let shown = 0;
  for (const row of body.rows) {
    row.hidden = !isShown(row, terms);
    shown += !row.hidden;
  }
  panel.toggleAttribute("data-is-empty", shown === 0);
  const { length } = body.rows;
  panel.querySelector("[data-shown]").textContent = shown < length ? `${shown} of ` : "";
}

function remember() {
  const now = new URLSearchParams(location.search);
  const keep = (name, value) => (value ? now.set(name, value) : now.delete(name));
  keep("sort", sort);
  keep("order", sort && (isDescending ? "desc" : "asc"));
  keep("filter", filter.value.trim());
  const text = now.toString();
  history.replaceState(null, "", `${location.pathname}${text && `?${text}`}${location.hash}`);
  for (const link of links) {
    const isSorted = link.dataset.sort === sort;
    link.closest("th").toggleAttribute("aria-sort", isSorted);
    if (isSorted) link.closest("th").setAttribute("aria-sort", isDescending ? "descending" : "ascending");
  }
}

// Switching between cards and tiles keeps the sorting and the filter.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("[data-layout]");
  if (!link) return;
  const next = new URLSearchParams(location.search);
  next.set("layout", link.dataset.layout);
  link.search = next;
});

// A card's and a user's link to their processes sets the filter; the user's, again, clears it.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.('a[href*="filter="][href$="#processes"]:not([data-sort])');
  if (!panel || !link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const wanted = new URLSearchParams(link.search).get("filter");
  filter.value = filter.value === wanted && panel.contains(link) ? "" : wanted;
  hideOthers();
  remember();
  if (!panel.contains(link)) panel.scrollIntoView();
});

if (panel) {
  panel.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-sort]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    isDescending = link.dataset.sort === sort ? !isDescending : link.closest("th:not(.left)") !== null;
    sort = link.dataset.sort;
    remember();
    arrange();
  });
  filter.addEventListener("input", () => {
    hideOthers();
    remember();
  });
  filter.form.addEventListener("submit", (event) => event.preventDefault());
  body.addEventListener("gpumon:replaced", hideOthers);
  document.addEventListener("gpumon:message", () => {
    if (sort && !document.hidden && !isHeld()) arrange();
  });
  // Only where it is cut off: as an attribute of every row, it would double the longest text of the page.
  body.addEventListener("mouseover", ({ target }) => {
    if (target.matches(".command") && !target.title && target.scrollWidth > target.clientWidth) target.title = target.textContent;
  });
  hideOthers();
  arrange();
}
