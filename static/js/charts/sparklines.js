// The small charts on the cards, one for each [data-spark]: the last 60 seconds of one metric of one GPU, from 0 to 100 %.
// Hears and sends nothing itself; see charts.js and rolling.js.

import { Chart, fillOf, font, scaled } from "./chart.js";
import { Charts } from "./charts.js";
import { Points } from "./points.js";
import { roll } from "./rolling.js";

const THIN = "\u2009";
const SECONDS = 60;
const METRICS = { utilization: ["utilization_percent", "Utilization"], memory: ["memory_used_percent", "Memory used"] };
const points = new Points(SECONDS, 0);
const edge = () => points.now ?? Date.now() / 1000;

// What a chart needs around it. Without this script there is no chart, and nothing to focus or to name.
function describe(element, index, name) {
  element.role = "img";
  element.tabIndex = 0;
  element.ariaLabel = `${name} of GPU ${index}, last 60 seconds, 0 to 100 %`;
  const caption = document.createElement("div");
  caption.className = "spark-caption";
  caption.ariaHidden = "true";
  for (const text of [`60${THIN}s ago`, `0–100${THIN}%`, "now"]) caption.append(Object.assign(document.createElement("span"), { textContent: text }));
  element.after(caption);
}

function make(element) {
  const [metric, name] = METRICS[element.dataset.spark];
  const card = element.closest("[data-gpu]");
  const { gpu } = card.dataset;
  describe(element, card.querySelector(".gpu-index").textContent, name);
  return new Chart(element, {
    data: () => [points.times, points.column(metric, gpu)],
    now: edge,
    describe: (plot, index) => {
      const value = plot.data[1][index];
      return value == null ? "no reading" : `${Math.round(value)}${THIN}% of 100${THIN}%`;
    },
    options: (styles) => ({
      padding: [7, 0, 5, 0],
      cursor: { y: false, points: { size: 5 }, drag: { x: false, y: false }, sync: { key: "sparks", scales: ["x", null] } },
      scales: { x: { time: false, range: () => [edge() - SECONDS, edge()] }, y: { range: [0, 100] } },
      axes: [
        { show: false },
        {
          side: 1,
          size: scaled(24),
          gap: 4,
          font: font(9.5),
          stroke: () => styles().text,
          ticks: { show: false },
          grid: { stroke: () => styles().grid, width: 1 },
          splits: () => [0, 50, 100],
        },
      ],
      series: [
        {},
        { stroke: () => styles().line, fill: fillOf(() => styles().line), width: 1.5, points: { show: false } },
      ],
    }),
  });
}

if (document.querySelector("[data-spark]") || document.getElementById("overview")) {
  roll(points, new Charts("[data-spark]", make));
}
