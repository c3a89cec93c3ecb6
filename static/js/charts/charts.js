// The charts of a page (chart.js): makes one for each element, draws those in view, and removes those whose element is gone.
// Hears gpumon:replaced and gpumon:theme on document; sends nothing. Used by sparklines.js and plots.js.

const SCROLL_MS = 150; // a page that was scrolled this recently is still moving

export class Charts {
  constructor(selector, make) {
    this.charts = new Map();
    this.selector = selector;
    this.make = make;
    this.isDue = false;
    this.scrolledAt = -SCROLL_MS;
    document.addEventListener("scroll", () => {
      this.scrolledAt = performance.now();
    }, { passive: true });
    this.inView = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) this.charts.get(target)?.show(isIntersecting);
    }, { rootMargin: "80px" });
    this.sizes = new ResizeObserver((entries) => {
      for (const { target } of entries) this.charts.get(target)?.resize();
    });
    document.addEventListener("gpumon:replaced", () => this.find());
    document.addEventListener("gpumon:theme", () => {
      for (const chart of this.charts.values()) chart.theme();
    });
    // On paper every chart is drawn, in the colors of the light theme.
    addEventListener("beforeprint", () => this.#print("light"));
    addEventListener("afterprint", () => this.#print(null));
    this.find();
  }

  #print(theme) {
    const { dataset } = document.documentElement;
    if (theme) {
      this.themeOnScreen = dataset.theme;
      dataset.theme = theme;
    } else if (this.themeOnScreen) dataset.theme = this.themeOnScreen;
    else delete dataset.theme;
    for (const chart of this.charts.values()) {
      if (theme && !chart.isVisible) chart.print();
      else chart.theme();
    }
  }

  find() {
    for (const [element, chart] of this.charts) {
      if (element.isConnected) continue;
      chart.destroy();
      this.inView.unobserve(element);
      this.sizes.unobserve(element);
      this.charts.delete(element);
    }
    for (const element of document.querySelectorAll(this.selector)) {
      if (this.charts.has(element)) continue;
      this.charts.set(element, this.make(element));
      this.inView.observe(element);
      this.sizes.observe(element);
    }
  }

  draw() {
    for (const chart of this.charts.values()) chart.draw();
  }

  // For a message: in a task after the frame that shows its values, and not while the page scrolls. Else the tasks get long.
  drawLater() {
    if (this.isDue) return;
    this.isDue = true;
    requestAnimationFrame(() => this.#drawOnceStill());
  }

  #drawOnceStill() {
    const waitMs = Math.max(0, this.scrolledAt + SCROLL_MS - performance.now());
    setTimeout(() => {
      if (performance.now() < this.scrolledAt + SCROLL_MS) {
        this.#drawOnceStill();
        return;
      }
      this.isDue = false;
      this.draw();
    }, waitMs);
  }
}
