// Keeps the column of users at the span: the list of what happened in it, #in-span, has them in data-users, by GPU. Without that
// (the viewer may not see them now, or they cannot be read) none is shown. Hears gpumon:replaced on document; sends nothing.

document.addEventListener("gpumon:replaced", ({ target }) => {
  if (target.id !== "in-span") return;
  const users = JSON.parse(target.dataset.users ?? "{}");
  for (const cell of document.querySelectorAll("[data-users-of]")) {
    cell.textContent = users[cell.closest("[data-source]").dataset.source] ?? "—";
  }
});
