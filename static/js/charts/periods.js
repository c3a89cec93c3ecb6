// Start and end of a GPU's alerts, which its charts shade. The socket sets those open now in data-alerts-open of #charts; the first
// response has past ones in [data-alerts-past]; one that resolves while the page is open is kept. Hears and sends nothing.

const ALPHA = 0.13;
const known = new Map(); // by id: { start, end (null while open), severity, metric }
let text = null;

function read(now) {
  const open = document.getElementById("charts")?.dataset.alertsOpen ?? "";
  if (open === text) return;
  if (text === null) {
    const past = document.querySelector("[data-alerts-past]")?.dataset.alertsPast;
    for (const [id, start, end, severity, metric] of past ? JSON.parse(past) : []) known.set(id, { start, end, severity, metric });
  }
  text = open;
  const still = new Set();
  for (const [id, start, severity, metric] of open ? JSON.parse(open) : []) {
    still.add(id);
    known.set(id, { start, end: null, severity, metric });
  }
  for (const [id, period] of known) if (period.end === null && !still.has(id)) period.end = now;
}

// A uPlot hook for drawAxes: under the lines, over the grid. Only the alerts of the chart's own metrics.
export function shadePeriods(element, metrics, edge) {
  return (plot) => {
    read(edge());
    const { ctx, bbox } = plot;
    const { min, max } = plot.scales.x;
    const colours = getComputedStyle(element);
    ctx.save();
    ctx.globalAlpha = ALPHA;
    for (const { start, end, severity, metric } of known.values()) {
      if (!metrics.includes(metric?.replace(/^gpu\./, ""))) continue;
      const [from, to] = [Math.max(start, min), Math.min(end ?? max, max)];
      if (to <= from) continue;
      const left = plot.valToPos(from, "x", true);
      ctx.fillStyle = colours.getPropertyValue(`--chart-${severity}`);
      ctx.fillRect(left, bbox.top, Math.max(plot.valToPos(to, "x", true) - left, devicePixelRatio), bbox.height);
    }
    ctx.restore();
  };
}
