// The chart of /history: one metric of several GPUs, a line each. The table beside it is the legend: it switches lines, brings one
// forward, and reads them at the cursor. Hears gpumon:span, gpumon:past and events of the table; sends nothing.

import { Charts } from "../charts/charts.js";
import { commonGaps, joined } from "./columns.js";
import { Past, sayBucket } from "./past.js";
import { periodsOf } from "./periods.js";
import { savePng } from "./png.js";
import { edges, isLive, seconds, withSpan, zoom } from "./span.js";
import { SpanChart } from "./span_chart.js";
import "./span_list.js";
import { told } from "./ticks.js";
import "./users.js";

const element = document.querySelector("[data-plot]");
const rows = [...document.querySelectorAll(".series-table tbody tr")];
const time = document.querySelector("[data-read-time]");
const { unit, scale, digits, limit, plot: metric } = element.dataset;
const count = () => (seconds() <= 900 ? 905 : Math.round(Math.max(200, Math.min(1200, element.clientWidth / 1.5))));
const past = new Past(`${element.dataset.history}?${element.dataset.query}`, count);
const EMPTY = { time: [], mean: [], low: [], high: [], seconds: [], gaps: [] };
const answerOf = (row) => past.get(row.dataset.metric, row.dataset.source) ?? EMPTY;
const buttonOf = (row) => row.querySelector("button");
const isOn = (row) => buttonOf(row).getAttribute("aria-pressed") === "true";
const text = (value) => (value == null ? "—" : (value / Number(scale)).toFixed(Number(digits)));
const isSum = element.dataset.isSum === ""; // amounts, such as energy
let columns = [[]];

// The axis of temperatures begins at a round value below the lowest, and has room for the limit.
function temperatures(min, max) {
  const divisor = Number(scale);
  const low = 10 * Math.floor(((min ?? 0) - 2) / 10);
  return [Math.max(0, low) * divisor, Math.max(10 * Math.ceil(((max ?? 0) + 2) / 10), limit ? Number(limit) + 5 : 0) * divisor];
}

class CompareChart extends SpanChart {
  // The table reads all lines.
  tell(plot) {
    super.tell(plot);
    const { idx, left } = plot.cursor;
    const isShown = idx != null && left >= 0;
    time.textContent = isShown ? told(plot.data[0][idx], seconds(), past.bucket) : "Last";
    rows.forEach((row, place) => {
      const mean = columns[1 + 3 * place];
      const at = isShown ? idx : mean?.findLastIndex((value) => value != null);
      row.querySelector("[data-read=last]").textContent = text(mean?.[at]);
    });
  }

  said() {
    return `${this.pill.textContent}: ${rows.filter(isOn).map((row) => `${buttonOf(row).textContent} ${row.querySelector("[data-read=last]").textContent}`).join(", ")} ${unit}`;
  }
}

function make() {
  return new CompareChart(element, {
    lines: rows.map((row) => ({ colour: () => getComputedStyle(buttonOf(row)).getPropertyValue("--line-colour") })),
    band: 0,
    data: () => {
      columns = joined(rows.map(answerOf), past.bucket);
      return columns;
    },
    range: () => (isLive() && past.end ? [past.start, past.end] : edges()),
    bucket: () => past.bucket,
    gaps: () => commonGaps(rows.filter(isOn).map(answerOf)),
    periods: () => periodsOf([metric]),
    unit,
    scale: Number(scale),
    digits: Number(digits),
    top: unit === "%" ? 100 : unit === "°C" ? temperatures : null,
    leastTop: isSum ? 0.001 : 1,
    limit: limit ? Number(limit) / Number(scale) : null,
    zoom,
  });
}

const charts = new Charts("[data-plot]", make);
const chart = () => charts.charts.get(element);

function switchLines() {
  const { plot } = chart();
  rows.forEach((row, place) => plot?.setSeries(1 + 3 * place, { show: isOn(row) }));
  plot?.redraw(false);
  const url = new URL(location.href);
  url.searchParams.set("gpu", rows.filter(isOn).map((row) => row.dataset.source).join(","));
  history.replaceState(history.state, "", url);
}

function forward(row) {
  const { plot } = chart();
  rows.forEach((each, place) => {
    if (!plot) return;
    plot.series[1 + 3 * place].alpha = !row || row === each ? 1 : 0.25;
    plot.series[1 + 3 * place].width = row === each ? 2.4 * devicePixelRatio : 1.5 * devicePixelRatio;
  });
  plot?.redraw(false);
}

function tabulate() {
  for (const row of rows) {
    const { mean, low, high, seconds: covered } = answerOf(row);
    const known = mean.map((value, index) => [value, covered[index]]).filter(([value]) => value !== null);
    const sum = known.reduce((all, [, each]) => all + each, 0);
    const figures = {
      mean: sum ? known.reduce((all, [value, each]) => all + (isSum ? value : (value * each) / sum), 0) : null,
      low: known.length ? Math.min(...low.filter((value) => value !== null)) : null,
      high: known.length ? Math.max(...high.filter((value) => value !== null)) : null,
    };
    for (const [name, value] of Object.entries(figures)) row.querySelector(`[data-read=${name}]`).textContent = text(value);
    row.querySelector("[data-read=high]").toggleAttribute("data-over", Boolean(limit) && figures.high >= Number(limit));
  }
}

document.addEventListener("gpumon:past", () => {
  charts.draw();
  sayBucket(past.bucket, `line = ${isSum ? "sum" : "mean"}`);
  tabulate();
  switchLines();
  chart().plot?.setCursor({ left: -10, top: -10 });
});
document.addEventListener("gpumon:replaced", ({ target }) => {
  if (target.id === "in-span") charts.draw(); // with the alerts of the new list
});
for (const row of rows) {
  const button = buttonOf(row);
  button.addEventListener("click", (event) => {
    const isOnly = event.shiftKey;
    for (const each of rows) {
      const wanted = isOnly ? each === row : each === row ? !isOn(row) : isOn(each);
      buttonOf(each).setAttribute("aria-pressed", String(wanted));
    }
    switchLines();
  });
  for (const [name, of] of [["pointerenter", row], ["pointerleave", null], ["focus", row], ["blur", null]]) {
    (name.startsWith("pointer") ? row : button).addEventListener(name, () => forward(of));
  }
}
document.querySelector("[data-metric-form]").addEventListener("change", ({ target }) => {
  const url = new URL(withSpan(location.href));
  url.searchParams.set(target.name, target.value);
  if (target.name === "host") url.searchParams.delete("gpu"); // lines of the other host
  location.assign(url);
});
document.querySelector("[data-metric-form] [type=submit]").hidden = true;
document.addEventListener("click", ({ target }) => {
  if (target.closest?.("[data-png-of]")) savePng(document.getElementById("compare"), edges());
  const link = target.closest?.("[data-copy-link]");
  if (link) link.dataset.copy = location.href; // copy.js does the rest
}, { capture: true });
past.load();
