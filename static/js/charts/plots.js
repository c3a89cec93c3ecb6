// The large charts of a GPU's page, one for each [data-plot]: up to 15 minutes, a shared cursor, drag to zoom, double-click to
// reset. Hears clicks on [data-range] and double-clicks on [data-plot]; sends nothing. See also charts.js and rolling.js.

import { Chart, fillOf, font, scaled } from "./chart.js";
import { Charts } from "./charts.js";
import { shadePeriods } from "./periods.js";
import { Points } from "./points.js";
import { roll } from "./rolling.js";

const THIN = "\u2009";
const LINES = ["line", "other"]; // as in the legend
const points = new Points(900, 1);
const edge = () => points.now ?? Date.now() / 1000;
const SHORTEST = 10; // seconds
let seconds = 900;
let zoom = null;
let charts = null;

// The range chosen, but not from before the first reading, which would be an empty half of a chart.
const inRange = () => zoom ?? [Math.max(edge() - seconds, Math.min(points.times[0] ?? 0, edge() - SHORTEST)), edge()];

function timeLabel(at) {
  const back = Math.round(edge() - at);
  if (back <= 0) return "now";
  return back % 60 === 0 ? `−${back / 60}${THIN}min` : `−${back}${THIN}s`;
}

// Round distances from now, not times of day: on a moving chart, "−5 min" says more than 14:03.
function timeSplits(_plot, _axis, min, max) {
  const step = [5, 10, 15, 30, 60, 120, 180, 300].find((each) => (max - min) / each <= 6) ?? 300;
  const splits = [];
  // A label at the edge would be cut off.
  for (let back = 0; edge() - back > min + (max - min) / 50; back += step) if (edge() - back <= max) splits.unshift(edge() - back);
  return splits;
}

function dashedLimit(value, styles) {
  return (plot) => {
    const y = Math.round(plot.valToPos(value, "y", true)) + 0.5;
    const { left, width, top, height } = plot.bbox;
    if (y < top || y > top + height) return;
    const { ctx } = plot;
    ctx.save();
    ctx.strokeStyle = styles().limit;
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(left, y);
    ctx.lineTo(left + width, y);
    ctx.stroke();
    ctx.restore();
  };
}

function make(element) {
  const { gpu, unit } = element.dataset;
  const metrics = element.dataset.plot.split(" ");
  const scale = Number(element.dataset.scale);
  const top = element.dataset.top ? Number(element.dataset.top) : null;
  const limit = element.dataset.limit ? Number(element.dataset.limit) : null;
  const digits = scale === 1 ? 0 : 1;
  const shown = (value) => (value == null ? "—" : `${(value / scale).toFixed(digits)}${THIN}${unit}`);
  return new Chart(element, {
    data: () => [points.times, ...metrics.map((metric) => points.column(metric, gpu))],
    now: edge,
    describe: (plot, index) => plot.data.slice(1).map((column) => shown(column[index])).join(" · "),
    options: (styles) => ({
      padding: [6, 0, 0, 0],
      cursor: {
        y: false,
        points: { size: 6 },
        drag: { x: true, y: false, setScale: false },
        sync: { key: "plots", scales: ["x", null] },
      },
      scales: {
        x: { time: false, range: inRange },
        y: { range: (_plot, _min, max) => [0, top === null ? Math.max(scale, (max ?? 0) * 1.15) : top * scale] },
      },
      axes: [
        { stroke: () => styles().text, grid: { stroke: () => styles().grid, width: 1 }, ticks: { show: false }, size: scaled(20), font: font(10), splits: timeSplits, values: (_plot, splits) => splits.map(timeLabel) },
        { side: 1, stroke: () => styles().text, grid: { stroke: () => styles().grid, width: 1 }, ticks: { show: false }, size: scaled(44), gap: 4, font: font(9.5), values: (_plot, splits) => splits.map((split) => String(Number((split / scale).toPrecision(4)))), ...(top === 100 ? { splits: () => [0, 50, 100] } : {}) },
      ],
      series: [
        {},
        ...metrics.map((_, place) => ({ stroke: () => styles()[LINES[place]], width: 1.5, points: { show: false }, ...(place ? {} : { fill: fillOf(() => styles().line) }) })),
      ],
      hooks: {
        drawAxes: [shadePeriods(element, metrics, edge)],
        draw: limit === null ? [] : [dashedLimit(limit * scale, styles)],
        setSelect: [
          (plot) => {
            const { left, width } = plot.select;
            if (width < 4) return;
            zoom = [plot.posToVal(left, "x"), plot.posToVal(left + width, "x")];
            plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
            charts.draw();
          },
        ],
      },
    }),
  });
}

if (document.querySelector("[data-plot]")) {
  charts = new Charts("[data-plot]", make);
  roll(points, charts);
  document.addEventListener("dblclick", (event) => {
    if (!event.target.closest?.("[data-plot]")) return;
    zoom = null;
    charts.draw();
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-range]");
    if (!button) return;
    seconds = Number(button.dataset.range);
    zoom = null;
    for (const each of document.querySelectorAll("[data-range]")) each.setAttribute("aria-pressed", String(each === button));
    charts.draw();
  });
}
