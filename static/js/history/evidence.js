// The charts on an alert's page, one for each [data-evidence]: the readings around it, its limit, and the time that it fired. The
// data are a Drawn of monitor/web/components/evidence_charts.py. Reads the page again each minute while more is recorded. Hears
// clicks on [data-png]; sends nothing.

import { Charts } from "../charts/charts.js";
import { font } from "../charts/chart.js";
import { dashedLine } from "./grammar.js";
import { savePng } from "./png.js";
import { SpanChart } from "./span_chart.js";
import { told } from "./ticks.js";

const ROOM = 15; // pixels between the names of two limits
const NAME_EDGE = 4;
const FOLLOW_MS = 60_000; // as often as the server writes it down

// A dashed line across the plot, with its name at the left edge.
function level(plot, { value, label }, { colour, isBelow, hasName }) {
  const y = dashedLine(plot, value, colour);
  if (y === undefined || !hasName) return;
  const { ctx } = plot;
  ctx.save();
  ctx.fillStyle = colour;
  ctx.font = font(10 * devicePixelRatio);
  ctx.textBaseline = isBelow ? "top" : "bottom";
  ctx.fillText(label, plot.bbox.left + NAME_EDGE * devicePixelRatio, y + (isBelow ? 3 : -3) * devicePixelRatio);
  ctx.restore();
}

function drawLevels({ limit, clear }, styles) {
  return (plot) => {
    if (!limit) return;
    const isLower = clear && clear.value < limit.value;
    const hasRoom = clear && (plot.height > 150 || Math.abs(plot.valToPos(clear.value, "y") - plot.valToPos(limit.value, "y")) > ROOM);
    level(plot, limit, { colour: styles().limit, isBelow: clear && !isLower, hasName: true });
    if (clear) level(plot, clear, { colour: styles().text, isBelow: isLower, hasName: hasRoom });
  };
}

const thirds = ({ low, high }) => [low, (low + high) / 2, high];

class EvidenceChart extends SpanChart {
  constructor(element) {
    const drawn = JSON.parse(element.dataset.evidence);
    const { start, end, step, unit, digits } = drawn;
    super(element, {
      lines: [{ colour: (styles) => styles.line }],
      band: 0,
      data: () => [this.drawn.times, ...Array(3).fill(this.drawn.values)],
      range: () => [start, end],
      bucket: () => step,
      gaps: () => this.drawn.gaps.map(([from, to, text]) => ({ start: from, end: to, text })),
      periods: () => this.#periods(),
      unit,
      scale: 1,
      digits,
      top: () => [this.drawn.low, this.drawn.high],
      limit: null,
    });
    this.drawn = drawn;
    const { options } = this;
    this.options = (styles) => {
      const found = options(styles);
      const [time, value] = found.axes;
      return {
        ...found,
        axes: [time, { ...value, splits: () => thirds(this.drawn) }],
        hooks: { ...found.hooks, draw: [drawLevels(drawn, styles)] },
        cursor: { ...found.cursor, drag: { x: false, y: false } }, // all that is kept is in view
      };
    };
  }

  // When the alert fired, in the chart of its own metric.
  #periods() {
    const { is_own: isOwn, fired, over, end, severity, recorded_until: until } = this.drawn;
    return isOwn ? [{ start: fired, end: Math.min(over ?? until ?? end, end), severity, label: `fired ${told(fired, 0, 1)}` }] : [];
  }

  // The plot has its scales a moment after it is made: the lane and the times on the axis need them.
  show(isVisible) {
    const isFirst = isVisible && !this.plot;
    super.show(isVisible);
    if (isFirst) {
      requestAnimationFrame(() => {
        this.plot?.redraw(false, true);
        this.draw();
      });
    }
  }
}

const charts = new Charts("[data-evidence]", (element) => new EvidenceChart(element));
document.addEventListener("click", ({ target }) => {
  const panel = target.closest?.("[data-png]")?.closest(".chart");
  if (!panel) return;
  const { start, end } = charts.charts.get(panel.querySelector("[data-evidence]")).drawn;
  savePng(panel, [start, end]);
});

// While the alert is recorded, the charts go on. Only their data are replaced, so that the cursor and the focus stay.
async function follow() {
  if (document.hidden) return;
  const answer = await fetch(location.href).catch(() => null);
  if (!answer?.ok) return; // the next time, perhaps
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const found = page.querySelectorAll("[data-evidence]");
  [...charts.charts.values()].forEach((chart, place) => {
    if (found[place]) chart.drawn = JSON.parse(found[place].dataset.evidence);
  });
  charts.draw();
  if (!isRecording()) clearInterval(following);
}

const isRecording = () => [...charts.charts.values()].some(({ drawn }) => drawn.recorded_until !== null);
const following = isRecording() ? setInterval(follow, FOLLOW_MS) : null;
