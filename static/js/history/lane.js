// The lane above a plot holds all words: the reason of each gap, and a link to each alert. What does not fit is left out; the
// reading at the cursor says it. Hears and sends nothing.

const APART = 10; // pixels
const SHAPES = { critical: "◆", warning: "▲", info: "●" };

function labelOf({ text, href, label, severity }) {
  if (!severity) return Object.assign(document.createElement("span"), { textContent: `▨ ${text}` });
  const link = Object.assign(document.createElement(href ? "a" : "span"), { textContent: `${SHAPES[severity]} ${label}` });
  if (href) link.href = href;
  link.dataset.level = severity;
  return link;
}

export function fillLane(lane, plot, gaps, periods) {
  const { min, max } = plot.scales.x;
  const inView = [...gaps, ...periods].filter(({ start, end }) => start < max && (end ?? max) > min);
  const key = JSON.stringify([inView, min, max, plot.width]);
  if (lane.dataset.key === key || lane.contains(document.activeElement)) return;
  lane.dataset.key = key;
  lane.replaceChildren();
  let free = 0;
  for (const each of inView.sort((a, b) => a.start - b.start)) {
    const node = lane.appendChild(labelOf(each));
    const wanted = plot.valToPos(Math.max(each.start, min), "x") + plot.over.offsetLeft;
    const left = Math.max(free, Math.min(lane.clientWidth - node.offsetWidth, wanted));
    if (left + node.offsetWidth > lane.clientWidth + 1) {
      node.remove();
      continue;
    }
    node.style.left = `${left}px`;
    free = left + node.offsetWidth + APART;
  }
}
