// A minimal page with the same values and charts: see page.py. No framework, no module, and no state except the nodes.
// With #still in the address, it draws each chart once.
{
  const SECONDS = 60;
  const isStill = location.hash === "#still";
  const shown = new Map();
  const charts = [];
  const columns = new Map();
  const times = [];
  let edge = Date.now() / 1000;

  function give(name, text) {
    if (!shown.has(name)) {
      const element = document.getElementById(name);
      shown.set(name, element.matches("meter") ? element : (element.firstChild ?? element.appendChild(new Text())));
    }
    const node = shown.get(name);
    if (node.nodeType === Node.TEXT_NODE) node.data = text;
    else node.value = text;
  }

  function column(metric, gpu) {
    const key = `${metric} ${gpu}`;
    if (!columns.has(key)) columns.set(key, []);
    return columns.get(key);
  }

  function keep({ time, gpus, series }) {
    times.push(...time);
    for (const metric of Object.keys(series)) gpus.forEach((gpu, place) => column(metric, gpu).push(...series[metric][place]));
    const old = times.findIndex((at) => at >= edge - SECONDS);
    if (old <= 0) return;
    times.splice(0, old);
    for (const each of columns.values()) each.splice(0, old);
  }

  // The options of static/js/charts/sparklines.js, with colours that are read once.
  function chart(element) {
    const style = getComputedStyle(element);
    const [line, text, grid] = [style.color, style.getPropertyValue("--chart-text"), style.getPropertyValue("--chart-grid")];
    const rgb = line.match(/[\d.]+/g).slice(0, 3).join(" ");
    const fill = ({ ctx, bbox: { top, height } }) => {
      const gradient = ctx.createLinearGradient(0, top, 0, top + height);
      gradient.addColorStop(0, `rgb(${rgb} / .33)`);
      gradient.addColorStop(1, `rgb(${rgb} / .02)`);
      return gradient;
    };
    const { spark: metric, gpu } = element.dataset;
    const data = () => [times, column(metric, gpu)];
    const options = {
      width: element.clientWidth,
      height: element.clientHeight,
      legend: { show: false },
      padding: [7, 0, 5, 0],
      cursor: { y: false, points: { size: 5 }, drag: { x: false, y: false }, sync: { key: "sparks", scales: ["x", null] } },
      scales: { x: { time: false, range: () => [edge - SECONDS, edge] }, y: { range: [0, 100] } },
      axes: [
        { show: false },
        { side: 1, size: 24, gap: 4, font: "9.5px system-ui", stroke: text, ticks: { show: false }, grid: { stroke: grid, width: 1 }, splits: () => [0, 50, 100] },
      ],
      series: [{}, { stroke: line, fill, width: 1.5, points: { show: false } }],
    };
    charts.push({ plot: new window.uPlot(options, data(), element), data });
  }

  function hear(event) {
    const { values, points, time } = JSON.parse(event.data);
    for (const name in values) give(name, values[name]);
    if (isStill && charts.length) return;
    edge = time;
    keep(points);
    if (!charts.length) document.querySelectorAll("[data-spark]").forEach(chart);
    for (const { plot, data } of charts) plot.setData(data());
  }

  const { socket } = document.querySelector("[data-socket]").dataset;
  new WebSocket(`ws://${location.host}${socket}`).addEventListener("message", hear);
}
