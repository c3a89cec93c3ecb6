// One chart: a uPlot in an element, with the theme's colors, a tooltip for pointer and keyboard, and the element's size.
// It is made when it first comes into view, and drawn only while in view. charts.js says when.
// Hears focus, blur and keydown on its element; sends nothing.

const { uPlot } = window;
const THIN = "\u2009";
// Steps by which a key moves the cursor: seconds, or buckets.
const STEPS = { ArrowLeft: -1, ArrowRight: 1, PageUp: -20, PageDown: 20, Home: -Infinity, End: Infinity };

// Screen readers read what a key moved the cursor to. The tooltip itself changes with each reading, which would never end.
const spoken = Object.assign(document.createElement("p"), { className: "visually-hidden", role: "status" });
const REM = parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;

// A length in the browser's own font size: pixels where that is the usual 16.
export const scaled = (pixels) => pixels * REM;
export const font = (pixels) => `${scaled(pixels)}px system-ui`;

function ago(seconds) {
  if (seconds < 60) return `${Math.round(seconds)}${THIN}s ago`;
  if (seconds >= 7200) return `${(seconds / 3600).toFixed(1)}${THIN}h before the end`;
  const minutes = Math.floor(seconds / 60);
  return `${minutes}${THIN}min ${Math.round(seconds - 60 * minutes)}${THIN}s ago`;
}

export const faded = (colour, alpha) => `rgb(${colour.match(/[\d.]+/g)?.slice(0, 3).join(" ") ?? "128 128 128"} / ${alpha})`;

export function fillOf(colour) {
  return (plot) => {
    const { top, height } = plot.bbox;
    const gradient = plot.ctx.createLinearGradient(0, top, 0, top + height);
    gradient.addColorStop(0, faded(colour(), 0.33));
    gradient.addColorStop(1, faded(colour(), 0.02));
    return gradient;
  };
}

export class Chart {
  // describe(plot, index) returns the tooltip's text, data() the columns, now() the right edge.
  constructor(element, { options, data, now, describe }) {
    this.element = element;
    this.options = options;
    this.data = data;
    this.now = now;
    this.describe = describe;
    this.plot = null;
    this.isVisible = false;
    this.styles = {};
    let isPressed = false;
    element.addEventListener("mousedown", () => {
      isPressed = true;
      document.addEventListener("mouseup", () => { isPressed = false; }, { once: true });
    });
    // Focused by a press, the cursor is where that was: set to the end, it would select all that lies between.
    element.addEventListener("focus", () => isPressed || this.#point(Infinity));
    element.addEventListener("blur", () => this.plot?.setCursor({ left: -10, top: -10 }));
    element.addEventListener("keydown", (event) => {
      const steps = STEPS[event.key];
      if (!steps || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      this.#point(steps * this.stepSeconds());
    });
  }

  // Of an arrow key.
  stepSeconds() {
    return 1;
  }

  // Computed styles of the element resolve the theme's custom properties.
  theme() {
    const of = (name) => getComputedStyle(this.element).getPropertyValue(name).trim();
    this.styles = { line: getComputedStyle(this.element).color, text: of("--chart-text"), grid: of("--chart-grid"), limit: of("--chart-critical"), other: of("--chart-other") };
    this.plot?.redraw(false);
  }

  show(isVisible) {
    this.isVisible = isVisible;
    if (isVisible) this.draw();
    else this.plot?.setCursor({ left: -10, top: -10 }, false, false); // out of view, it gets no events of the shared cursor
  }

  // A chart out of view is drawn once.
  print() {
    this.show(true);
    this.theme();
    this.isVisible = false;
  }

  draw() {
    if (!this.isVisible) return;
    if (this.plot) {
      this.plot.setData(this.data());
      return;
    }
    if (!this.element.clientWidth) return;
    this.theme();
    this.tooltip = Object.assign(document.createElement("div"), { className: "tooltip", hidden: true });
    const options = this.options(() => this.styles);
    this.plot = new uPlot(
      {
        ...options,
        ...this.#size(),
        legend: { show: false },
        // Each chart that follows the pointer of another measures its place on the page: only those in view do.
        cursor: { ...options.cursor, sync: { ...options.cursor.sync, filters: { sub: () => this.isVisible } } },
        hooks: { ...options.hooks, setCursor: [(plot) => this.tell(plot)] },
      },
      this.data(),
      this.element,
    );
    this.element.append(this.tooltip);
  }

  resize() {
    const { width, height } = this.#size();
    if (this.plot && width && (width !== this.plot.width || height !== this.plot.height)) this.plot.setSize({ width, height });
  }

  // The element's padding is where the tooltip is, beside the curve instead of over it.
  #size() {
    const { paddingTop, paddingBottom } = getComputedStyle(this.element);
    const { clientWidth: width, clientHeight } = this.element;
    return { width, height: Math.round(clientHeight - parseFloat(paddingTop) - parseFloat(paddingBottom)) };
  }

  destroy() {
    this.plot?.destroy();
  }

  // At the cursor, beside the curve.
  tell(plot) {
    const { idx, left } = plot.cursor;
    const isOurs = idx != null && left >= 0 && this.element.matches(":hover, :focus");
    this.tooltip.hidden = !isOurs;
    if (!isOurs) return;
    this.tooltip.textContent = `${this.describe(plot, idx)} · ${ago(Math.max(0, this.now() - plot.data[0][idx]))}`;
    const room = this.element.clientWidth - this.tooltip.offsetWidth;
    this.tooltip.style.left = `${Math.max(0, Math.min(room, plot.over.offsetLeft + left - this.tooltip.offsetWidth / 2))}px`;
  }

  // To screen readers, once a key has moved the cursor.
  said() {
    return this.tooltip.textContent;
  }

  #point(seconds) {
    const times = this.plot?.data[0] ?? [];
    if (!times.length) return;
    const last = times.length - 1;
    const wanted = times[this.plot.cursor.idx ?? last] + seconds;
    // The nearest point at least that far away; where readings are rarer, the next one.
    const at = seconds < 0 ? times.findLastIndex((time) => time <= wanted) : times.findIndex((time) => time >= wanted);
    const index = at >= 0 ? at : seconds < 0 ? 0 : last;
    this.plot.setCursor({ left: this.plot.valToPos(times[index], "x"), top: 1 });
    if (!spoken.isConnected) document.body.append(spoken);
    spoken.textContent = this.said();
  }
}
