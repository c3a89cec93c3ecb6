// The charts of a GPU's page, one for each [data-plot]. The last 15 minutes come from the socket and, from before its first
// reading, from the history; longer or past spans from the history. Hears gpumon:span, gpumon:past, gpumon:replaced; sends nothing.

import { Charts } from "../charts/charts.js";
import { Points } from "../charts/points.js";
import { roll } from "../charts/rolling.js";
import { now } from "./clock.js";
import { continued, gapsOf, joined } from "./columns.js";
import { Past, sayBucket } from "./past.js";
import { periodsOf } from "./periods.js";
import { savePng } from "./png.js";
import { edges, isLive, seconds, zoom } from "./span.js";
import "./span_list.js";
import { SpanChart } from "./span_chart.js";

const THIN = "\u2009";
const MEMORY_SECONDS = 900;
const SHORTEST = 10; // seconds
const LINES = ["line", "other"]; // as in the legend
const STEPS = [5, 10, 15, 30, 60, 120, 180, 300];
const around = document.querySelector("[data-history]");
const plots = document.querySelectorAll("[data-plot]");
const points = new Points(MEMORY_SECONDS, 1);
const edge = () => points.now ?? now();
const metrics = [...new Set([...plots].flatMap((each) => each.dataset.plot.split(" ")))];
// A point for each second of the last minutes (and of those that a bucket cuts), else one for about every pixel and a half.
const count = () => (seconds() <= MEMORY_SECONDS ? MEMORY_SECONDS + 5 : Math.round(Math.max(200, Math.min(900, plots[0].clientWidth / 1.5))));
const ofHost = around.dataset.host ? `&host=${encodeURIComponent(around.dataset.host)}` : "";
const past = new Past(`${around.dataset.history}?gpu=${encodeURIComponent(plots[0]?.dataset.gpu)}${ofHost}&metric=${metrics}`, count, () => !(isRolling() && points.times.length));

// The socket's points, where they reach back far enough.
const isRolling = () => isLive() && seconds() <= MEMORY_SECONDS;
const covers = () => points.times.length > 0 && (isRolling() || points.times[0] <= edges()[0] + points.step);
const bucket = () => (covers() ? points.step : past.bucket);

function partOf(metric, gpu) {
  const stored = past.get(metric, gpu) ?? { time: [], mean: [], low: [], high: [], gaps: [] };
  if (!covers()) return stored;
  const mean = points.column(metric, gpu);
  const live = { time: points.times, mean, low: mean, high: mean };
  return isRolling() ? continued(stored, live) : live;
}

// The range chosen, but not from before the first reading known, which would be an empty part of a chart.
function shown() {
  if (!isRolling()) return isLive() && past.end ? [past.start, past.end] : edges();
  const stored = past.get(metrics[0], plots[0]?.dataset.gpu);
  const gap = stored?.gaps.find(({ reason }) => reason !== "not_recorded");
  const live = points.times[0] ?? edge();
  const first = Math.min(live, gap?.start ?? live, stored?.time[0] < live - 1 ? stored.time[0] : live);
  return [Math.max(edge() - seconds(), Math.min(first, edge() - SHORTEST)), edge()];
}

// On a moving chart, "−5 min" says more than 14:03.
const distances = {
  splits(min, max) {
    if (!isRolling()) return null;
    const step = STEPS.find((each) => (max - min) / each <= 6) ?? STEPS.at(-1);
    const found = [];
    // A label at the edge would be cut off.
    for (let back = 0; edge() - back > min + (max - min) / 50; back += step) found.unshift(edge() - back);
    return found;
  },
  label(at) {
    if (!isRolling()) return null;
    const back = Math.round(edge() - at);
    if (back <= 0) return "now";
    return back % 60 === 0 ? `−${back / 60}${THIN}min` : `−${back}${THIN}s`;
  },
};

function make(element) {
  const { gpu, unit } = element.dataset;
  const own = element.dataset.plot.split(" ");
  const number = (name) => (element.dataset[name] ? Number(element.dataset[name]) : null);
  let columns = [[]];
  return new SpanChart(element, {
    lines: own.map((_, place) => ({ colour: (styles) => styles[LINES[place]] })),
    band: own.length > 1 ? 0.16 : 0.26,
    data: () => {
      columns = joined(own.map((metric) => partOf(metric, gpu)), bucket());
      return columns;
    },
    range: shown,
    bucket,
    gaps: () => {
      const named = past.get(own[0], gpu)?.gaps ?? [];
      return covers() ? gapsOf(columns, shown(), bucket(), named) : named;
    },
    periods: () => periodsOf(own, gpu),
    unit,
    scale: number("scale"),
    digits: number("digits"),
    top: number("top"),
    limit: number("limit"),
    zoom,
    ticks: distances,
  });
}

const charts = new Charts("[data-plot]", make);

function draw() {
  charts.draw();
  if (past.end) sayBucket(bucket(), "line = mean, band = min–max");
}

roll(points, { drawLater: () => (isRolling() ? charts.drawLater() : undefined) });
document.addEventListener("gpumon:past", draw);
document.addEventListener("gpumon:replaced", ({ target }) => {
  if (target.id === "in-span") charts.draw(); // with the alerts of the new list
});
document.addEventListener("gpumon:span", () => {
  if (covers()) draw();
});
document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-png]");
  if (button) savePng(button.closest(".chart"), edges());
});
past.load();
