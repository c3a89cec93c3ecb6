// Dark or light: the system's theme until the viewer picks one, which is remembered. A classic script in the head, which runs
// before the first paint, so that nothing flashes. Hears clicks on [data-theme-switch]; sends gpumon:theme on document.

(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: light)");
  const KEY = "gpumon-theme";

  function remembered() {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // storage is disabled: the choice lasts as long as the page
    }
  }

  function changed() {
    document.dispatchEvent(new CustomEvent("gpumon:theme"));
  }

  const chosen = remembered();
  if (chosen === "dark" || chosen === "light") root.dataset.theme = chosen;
  system.addEventListener("change", changed);

  document.addEventListener("click", (event) => {
    if (!event.target.closest?.("[data-theme-switch]")) return;
    const current = root.dataset.theme ?? (system.matches ? "light" : "dark");
    root.dataset.theme = current === "light" ? "dark" : "light";
    try {
      localStorage.setItem(KEY, root.dataset.theme);
    } catch {
      // as above
    }
    changed();
  });
})();
