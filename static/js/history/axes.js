// The axes of a chart of a span. Hears and sends nothing.

import { font, scaled } from "../charts/chart.js";
import { label, splits } from "./ticks.js";

const TICK = 90; // pixels between times
const STEPS = [-3, -2, -1, 0, 1, 2, 3, 4].flatMap((power) => [1, 2, 5].map((each) => each * 10 ** power)); // in the unit shown
// A label that would leave the plot at its left edge.
const isCut = (plot, at) => plot.valToPos(at, "x") < scaled(16);

function axis(styles) {
  return { stroke: () => styles().text, grid: { stroke: () => styles().grid, width: 1 }, ticks: { show: false } };
}

// `ticks`: { splits(min, max), label(at) }, which return null where the axis shows times of day.
export function timeAxis(styles, ticks) {
  return {
    ...axis(styles),
    size: scaled(20),
    font: font(10),
    splits: (plot, _axis, min, max) => ticks?.splits(min, max) ?? splits(min, max, Math.max(2, plot.over.offsetWidth / scaled(TICK))),
    values: (plot, shown) => {
      const { min, max } = plot.scales.x;
      return shown.map((at) => ticks?.label(at) ?? (isCut(plot, at) ? "" : label(at, shown, max - min)));
    },
  };
}

export function valueAxis(styles, scale, isPercent) {
  return {
    ...axis(styles),
    side: 1,
    size: scaled(44),
    gap: 4,
    font: font(9.5),
    incrs: STEPS.map((each) => each * scale),
    values: (_plot, shown) => shown.map((each) => String(Number((each / scale).toPrecision(4)))),
    ...(isPercent ? { splits: () => [0, 50, 100] } : {}),
  };
}
