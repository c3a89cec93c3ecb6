// One chart of a span: for each line the mean and a band from minimum to maximum, gaps, alerts and limits, a cursor shared by all
// charts of the page with its time on the axis and the reading in the chart's header, and drag to zoom. See charts/chart.js.

import { Chart, faded } from "../charts/chart.js";
import { selectByFinger } from "../charts/finger.js";
import { timeAxis, valueAxis } from "./axes.js";
import { dashed, hatch, roundUp, shade } from "./grammar.js";
import { fillLane } from "./lane.js";
import { told } from "./ticks.js";

const THIN = "\u2009";
const SHORTEST_DRAG = 4; // pixels

export class SpanChart extends Chart {
  // `lines`: [{ colour(styles) }]; `band`: opacity; data(), range(), bucket(), gaps(), periods() are read at each drawing;
  // zoom(start, end) is called when a span was dragged. `top`: the end of the axis, in the unit shown, or a function; without it, a
  // round value, at least `leastTop`.
  constructor(element, { lines, band, data, range, bucket, gaps, periods, unit, scale, digits, top, leastTop = 1, limit, ticks, zoom }) {
    super(element, { data, now: () => range()[1], options: (styles) => this.#options(styles) });
    Object.assign(this, { lines, band, range, bucket, gaps, periods, unit, scale, digits, top, leastTop, limit, ticks, zoom });
    const panel = element.closest(".chart");
    this.lane = panel.querySelector("[data-lane]");
    this.reading = panel.querySelector("[data-at]");
    this.pill = Object.assign(document.createElement("span"), { className: "pill", hidden: true });
  }

  stepSeconds() {
    return this.bucket();
  }

  theme() {
    super.theme();
    this.styles.hatch = getComputedStyle(this.element).getPropertyValue("--chart-hatch").trim();
    this.plot?.redraw(false);
  }

  draw() {
    super.draw();
    if (!this.plot || !this.isVisible) return;
    if (!this.pill.isConnected) this.element.append(this.pill);
    if (this.lane) fillLane(this.lane, this.plot, this.gaps(), this.periods());
  }

  number(value) {
    return value == null ? "—" : (value / this.scale).toFixed(this.digits);
  }

  // "mean 75 · 68–82 %", "75 %", "↓ 8.5 ↑ 3.1 GB/s", or why there is none: [bold, rest].
  read(plot, index) {
    const gap = this.#gapAt(plot.posToVal(plot.cursor.left, "x"));
    const values = this.lines.map((_, place) => plot.data[1 + 3 * place][index]);
    if (gap || values.every((value) => value == null)) return ["no data", gap ? ` · ${gap.text}` : ""];
    if (values.length > 1) return [`↓ ${this.number(values[0])} ↑ ${this.number(values[1])}${THIN}${this.unit}`, ""];
    const [mean, low, high] = [1, 2, 3].map((column) => this.number(plot.data[column][index]));
    if (low === "—" || low === high) return [`${mean}${THIN}${this.unit}`, ""];
    return [`mean ${mean}`, ` · ${low}–${high}${THIN}${this.unit}`];
  }

  tell(plot) {
    const { idx, left } = plot.cursor;
    const isShown = idx != null && left >= 0;
    this.pill.hidden = !isShown;
    if (!isShown) {
      this.reading?.replaceChildren();
      return;
    }
    const pointed = plot.posToVal(left, "x");
    const at = this.#gapAt(pointed) ? pointed : plot.data[0][idx];
    const [from, to] = this.range();
    this.pill.textContent = told(at, to - from, this.bucket());
    const half = this.pill.offsetWidth / 2;
    const middle = Math.max(half, Math.min(plot.over.offsetWidth - half, plot.valToPos(at, "x")));
    this.pill.style.left = `${plot.over.offsetLeft + middle - half}px`;
    if (!this.reading) return;
    const [bold, rest] = this.read(plot, idx);
    this.reading.replaceChildren(Object.assign(document.createElement("b"), { textContent: bold }), rest);
  }

  said() {
    return `${this.pill.textContent}: ${this.reading?.textContent ?? ""}`;
  }

  #gapAt(at) {
    return this.gaps().find(({ start, end }) => at >= start && at < end);
  }

  #options(styles) {
    const columns = this.lines.flatMap((line, place) => {
      const stroke = () => line.colour(styles());
      const edge = { stroke: "transparent", width: 0, points: { show: false } };
      return [{ stroke, width: 1.5, points: { show: false }, place }, edge, edge].map((each) => ({ ...each, spanGaps: false }));
    });
    return {
      padding: [6, 0, 0, 0],
      cursor: {
        y: false,
        dataIdx: (_plot, _series, index, at) => (this.#gapAt(at) ? null : index), // no dot in a gap
        points: { size: (_plot, series) => (series % 3 === 1 ? 7 : 0) },
        drag: { x: true, y: false, setScale: false },
        sync: { key: "spans", scales: ["x", null] },
      },
      scales: { x: { time: false, range: () => this.range() }, y: { range: (_plot, min, max) => this.#yRange(min, max) } },
      axes: [timeAxis(styles, this.ticks), valueAxis(styles, this.scale, this.top === 100)],
      bands: this.lines.map((line, place) => ({ series: [3 * place + 3, 3 * place + 2], fill: () => faded(line.colour(styles()), this.band) })),
      series: [{}, ...columns],
      hooks: {
        drawAxes: [hatch(() => this.gaps(), styles), shade(() => this.periods(), this.element)],
        draw: this.limit == null ? [] : [dashed(this.limit * this.scale, styles)],
        setSelect: [(plot) => this.#zoom(plot)],
        ready: this.zoom ? [selectByFinger] : [],
      },
    };
  }

  #yRange(min, max) {
    if (typeof this.top === "function") return this.top(min, max);
    return [0, this.top == null ? this.scale * roundUp(Math.max(this.leastTop, (max ?? 0) / this.scale)) : this.top * this.scale];
  }

  #zoom(plot) {
    const { left, width } = plot.select;
    const [start, end] = [plot.posToVal(left, "x"), plot.posToVal(left + width, "x")];
    plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    if (width >= SHORTEST_DRAG) this.zoom(start, end);
  }
}
