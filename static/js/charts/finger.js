// A finger selects a span as a mouse does, of which alone uPlot hears: dragged sideways, it reads the chart and selects. Dragged up
// or down it scrolls the page (touch-action in charts.css), and the browser ends the gesture. Hears pointer events; sends nothing.

const NOTHING = { left: 0, width: 0, top: 0, height: 0 };

export function selectByFinger(plot) {
  const { over } = plot;
  let from = null;
  const leftOf = ({ clientX }) => Math.max(0, Math.min(over.clientWidth, clientX - over.getBoundingClientRect().left));
  const follow = (left) => plot.setCursor({ left, top: 1 });

  over.addEventListener("pointerdown", (event) => {
    if (event.pointerType !== "touch") return;
    from = event.isPrimary ? leftOf(event) : null; // a second finger ends it
    if (from === null) plot.setSelect(NOTHING, false);
    else follow(from);
  });
  over.addEventListener("pointermove", (event) => {
    if (from === null || !event.isPrimary) return;
    const left = leftOf(event);
    follow(left);
    plot.setSelect({ left: Math.min(from, left), width: Math.abs(left - from), top: 0, height: over.clientHeight }, false);
  });
  over.addEventListener("pointerup", (event) => {
    if (from === null || !event.isPrimary) return;
    from = null;
    plot.setSelect(plot.select); // its hook zooms
  });
  over.addEventListener("pointercancel", () => {
    from = null;
    plot.setSelect(NOTHING, false);
  });
}
