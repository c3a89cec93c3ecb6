// The process table: sorted by any column, filtered as one types, both kept in the address. Rows keep their place while
// values change, and never move under the pointer, with the focus in them or while text in them is selected.
// Hears clicks and input in [data-processes], gpumon:replaced from its rows and gpumon:message on document.

const panel = document.querySelector("[data-processes]");
const body = panel?.querySelector("tbody");
const filter = panel?.querySelector("[data-filter]");
const query = new URLSearchParams(location.search);
let sort = query.get("sort");
let isDescending = query.get("order") === "desc";

const links = [...(panel?.querySelectorAll("[data-sort]") ?? [])].filter((link) => link.matches("a"));
const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

function figure(row, column) {
  const cell = row.cells[column];
  if (cell.matches("[data-unknown]") || cell.querySelector("span[data-unknown]")) return null;
  const text = cell.textContent;
  const number = Number.parseFloat(text) / (text.endsWith("MiB") ? 1024 : 1); // beside GiB
  return Number.isNaN(number) || links[column].closest("th").classList.contains("left") ? text : number;
}

function compare(one, other) {
  if (one === null || other === null) return (one === null) - (other === null); // unknown comes last, whichever way
  const order = typeof one === "number" && typeof other === "number" ? one - other : collator.compare(one, other);
  return isDescending ? -order : order;
}

function isHeld() {
  const selection = document.getSelection();
  const isSelected = !selection.isCollapsed && body.contains(selection.anchorNode);
  return body.matches(":hover") || body.contains(document.activeElement) || isSelected;
}

function arrange() {
  const column = links.findIndex((link) => link.dataset.sort === sort);
  if (column < 0) return;
  const rows = [...body.rows].map((row, place) => ({ row, place, value: figure(row, column) }));
  rows.sort((one, other) => compare(one.value, other.value) || one.place - other.place);
  if (rows.every(({ place }, index) => place === index)) return;
  body.append(...rows.map(({ row }) => row));
}

function hideOthers() {
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const row of body.rows) {
    const text = `${row.textContent} ${row.querySelector("[title]")?.title ?? ""}`.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
    shown += !row.hidden;
  }
  panel.toggleAttribute("data-is-empty", shown === 0);
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

// Cards or tiles: the processes stay as they are arranged by now.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("[data-layout]");
  if (!link) return;
  const next = new URLSearchParams(location.search);
  next.set("layout", link.dataset.layout);
  link.search = next;
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
  hideOthers();
  arrange();
}
