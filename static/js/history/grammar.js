// What charts of a span draw below and above their lines: gaps, alerts, limits. Hooks of uPlot. Hears and sends nothing.

const HATCH = 6; // pixels between strokes
const NARROW = 40; // pixels: an alert that is narrower is darker
const CAP = 2;

function spanOf(plot, start, end) {
  const { min, max } = plot.scales.x;
  const [from, to] = [Math.max(start, min), Math.min(end ?? max, max)];
  if (to <= from) return null;
  const left = plot.valToPos(from, "x", true);
  return [left, plot.valToPos(to, "x", true) - left];
}

export function hatch(gaps, styles) {
  return (plot) => {
    const { ctx, bbox: { top, height } } = plot;
    for (const { start, end } of gaps()) {
      const place = spanOf(plot, start, end);
      if (!place) continue;
      const [left, width] = place;
      ctx.save();
      ctx.beginPath();
      ctx.rect(left, top, width, height);
      ctx.clip();
      ctx.strokeStyle = styles().hatch;
      ctx.lineWidth = devicePixelRatio;
      ctx.beginPath();
      for (let at = left - height; at < left + width; at += HATCH * devicePixelRatio) {
        ctx.moveTo(at, top + height);
        ctx.lineTo(at + height, top);
      }
      ctx.stroke();
      ctx.restore();
    }
  };
}

export function shade(periods, element) {
  return (plot) => {
    const { ctx, bbox: { top, height } } = plot;
    const colours = getComputedStyle(element);
    for (const { start, end, severity } of periods()) {
      const place = spanOf(plot, start, end);
      if (!place) continue;
      const [left, width] = [place[0], Math.max(place[1], CAP * devicePixelRatio)];
      ctx.save();
      ctx.fillStyle = colours.getPropertyValue(`--chart-${severity}`);
      ctx.fillRect(left, top - CAP * devicePixelRatio, width, CAP * devicePixelRatio);
      ctx.globalAlpha = width > NARROW * devicePixelRatio ? 0.1 : 0.22;
      ctx.fillRect(left, top, width, height);
      ctx.restore();
    }
  };
}

export function dashed(value, styles) {
  return (plot) => dashedLine(plot, value, styles().limit);
}

// A dashed line across the plot. Returns its y in device pixels; undefined if it is outside and not drawn.
export function dashedLine(plot, value, colour) {
  const y = Math.round(plot.valToPos(value, "y", true)) + 0.5;
  const { ctx, bbox: { left, width, top, height } } = plot;
  if (y < top || y > top + height) return undefined;
  ctx.save();
  ctx.strokeStyle = colour;
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
  ctx.beginPath();
  ctx.moveTo(left, y);
  ctx.lineTo(left + width, y);
  ctx.stroke();
  ctx.restore();
  return y;
}

// The end of an axis that no limit sets: a round value.
export function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((each) => each * power >= value * 0.9999);
}
