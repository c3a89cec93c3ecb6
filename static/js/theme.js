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

  // The browser's own bars have the color of the system's theme, by templates/app.html; a picked theme replaces it.
  const bars = [...document.querySelectorAll('meta[name="theme-color"]')];
  const colors = Object.fromEntries(bars.map((bar) => [bar.media.includes("light") ? "light" : "dark", bar.content]));

  function pick(theme) {
    root.dataset.theme = theme;
    for (const bar of bars) bar.content = colors[theme];
  }

  const chosen = remembered();
  if (chosen === "dark" || chosen === "light") pick(chosen);
  system.addEventListener("change", changed);

  document.addEventListener("click", (event) => {
    if (!event.target.closest?.("[data-theme-switch]")) return;
    const current = root.dataset.theme ?? (system.matches ? "light" : "dark");
    pick(current === "light" ? "dark" : "light");
    try {
      localStorage.setItem(KEY, root.dataset.theme);
    } catch {
      // as above
    }
    changed();
  });
})();
