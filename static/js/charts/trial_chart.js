// The chart of a rule's preview: <trial-chart data-chart="…"> draws itself wherever it appears, on a page or swapped into one.
// The data are a Chart of monitor/rules/trial_chart.py; each series has the colour of its legend. Hears gpumon:theme.

import { Chart } from "./chart.js";

const THIN = "\u2009";
const LABEL_HEIGHT = 16;
const HOUR = 3600;
const DAY = 86_400;
const STEPS = [5, 10, 15, 30, 60, 120, 180, 300, 600, 900, 1800, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 5 * DAY, 10 * DAY, 30 * DAY, 60 * DAY];
const MOST_TIMES = 6;
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const calendar = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

// Of the last minutes, distances from now; of a stored span, round times in the viewer's zone.
const isDistance = (start, end) => end - start <= 900 && Date.now() / 1000 - end < 900;

function timeLabel(back) {
  if (back < 1) return "now";
  return back % 60 === 0 ? `−${back / 60}${THIN}min` : `−${back}${THIN}s`;
}

function splitsBefore(end, min) {
  const step = STEPS.find((each) => (end - min) / each <= MOST_TIMES) ?? STEPS.at(-1);
  if (isDistance(min, end)) return Array.from({ length: Math.floor((end - min) / step) + 1 }, (_, place) => end - place * step).reverse();
  const shift = -60 * new Date(end * 1000).getTimezoneOffset();
  const first = step * Math.ceil((min + shift) / step) - shift;
  return Array.from({ length: Math.floor((end - first) / step) + 1 }, (_, place) => first + place * step);
}

function momentLabel(at, step) {
  const time = clock.format(at * 1000);
  return step >= DAY || time === "00:00" ? calendar.format(at * 1000) : time;
}

function timeLabels(splits, start, end) {
  if (isDistance(start, end)) return splits.map((at) => timeLabel(Math.round(end - at)));
  return splits.map((at) => momentLabel(at, splits.length > 1 ? splits[1] - splits[0] : 0));
}

// A horizontal line; its name stands on the axis, off the curve.
function drawLevel(plot, { value }, { colour, dash }) {
  const { ctx } = plot;
  const { left, width } = plot.bbox;
  const y = Math.round(plot.valToPos(value, "y", true)) + 0.5;
  ctx.save();
  ctx.strokeStyle = colour;
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash(dash.map((each) => each * devicePixelRatio));
  ctx.beginPath();
  ctx.moveTo(left, y);
  ctx.lineTo(left + width, y);
  ctx.stroke();
  ctx.restore();
}

// The levels whose labels have room, the first ones before the others.
function apart(plot, levels) {
  const places = new Map();
  for (const { value } of levels) {
    const y = plot.valToPos(value, "y");
    if ([...places.values()].every((other) => Math.abs(other - y) >= LABEL_HEIGHT)) places.set(value, y);
  }
  return [...places.keys()];
}

function shade(plot, spans, colour) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.globalAlpha = 0.13;
  ctx.fillStyle = colour;
  for (const [start, end] of spans) {
    const left = plot.valToPos(start, "x", true);
    ctx.fillRect(left, bbox.top, Math.max(plot.valToPos(end, "x", true) - left, devicePixelRatio), bbox.height);
  }
  ctx.restore();
}

class TrialChart extends HTMLElement {
  connectedCallback() {
    const { times, series, threshold, clear, low, high, firing } = JSON.parse(this.dataset.chart);
    const legend = this.closest("figure").querySelectorAll("figcaption span");
    const colour = (place) => getComputedStyle(legend[place]).color;
    const critical = () => getComputedStyle(this).getPropertyValue("--chart-critical");
    const end = times.at(-1);
    const start = Math.min(times[0], end - 1);
    const levels = [threshold, ...(clear ? [clear] : []), high, low];
    const labels = new Map([...levels].reverse().map(({ value, label }) => [value, label]));
    const axis = (styles) => ({
      stroke: () => styles().text, grid: { stroke: () => styles().grid, width: 1 }, ticks: { show: false }, font: "11px system-ui",
    });
    this.chart = new Chart(this, {
      data: () => [times, ...series.map((each) => each.values)],
      now: () => end,
      describe: (_plot, index) => series.map((each) => `${each.label}: ${each.texts[index]}`).join(" · "),
      options: (styles) => ({
        padding: [LABEL_HEIGHT, 20, LABEL_HEIGHT, 0],
        cursor: { y: false, points: { size: 6 }, drag: { x: false, y: false } },
        scales: { x: { time: false, range: [start, end] }, y: { range: [low.value, high.value] } },
        axes: [
          { ...axis(styles), size: 24, splits: () => splitsBefore(end, start), values: (_plot, splits) => timeLabels(splits, start, end) },
          { ...axis(styles), size: 110, splits: (plot) => apart(plot, levels), values: (_plot, splits) => splits.map((at) => labels.get(at)) },
        ],
        series: [{}, ...series.map((_, place) => ({ stroke: () => colour(place), width: 1.5, points: { show: times.length < 2 } }))],
        hooks: {
          drawAxes: [(plot) => shade(plot, firing, critical())],
          draw: [
            (plot) => {
              drawLevel(plot, threshold, { colour: critical(), dash: [] });
              if (clear) drawLevel(plot, clear, { colour: critical(), dash: [4, 4] });
            },
          ],
        },
      }),
    });
    this.chart.show(true);
    this.sizes = new ResizeObserver(() => this.chart.resize());
    this.sizes.observe(this);
    this.retheme = () => this.chart.theme();
    document.addEventListener("gpumon:theme", this.retheme);
  }

  disconnectedCallback() {
    document.removeEventListener("gpumon:theme", this.retheme);
    this.sizes.disconnect();
    this.chart.destroy();
  }
}

customElements.define("trial-chart", TrialChart);
