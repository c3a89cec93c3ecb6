// The page of hosts: moves rows to the places that the server gives them as values change, but never under the pointer, with the
// focus in them or while text in them is selected. Hears gpumon:message on document; sends nothing.

function isHeld(table) {
  const selection = document.getSelection();
  const isSelected = !selection.isCollapsed && table.contains(selection.anchorNode);
  return table.matches(":hover") || table.contains(document.activeElement) || isSelected;
}

document.addEventListener("gpumon:message", () => {
  const table = document.getElementById("hosts-table");
  if (!table || document.hidden || isHeld(table)) return;
  for (const group of table.children) {
    const rows = [...group.querySelectorAll(":scope > [data-place]")];
    const places = rows.map((row) => Number(row.dataset.place));
    if (places.every((place, at) => at === 0 || places[at - 1] <= place)) continue;
    group.append(...rows.sort((one, other) => one.dataset.place - other.dataset.place));
  }
});
