// Saves a chart as a PNG file: its title, its span, the words of its lane and the plot, as on the screen. Hears and sends nothing.

import { told } from "./ticks.js";

const EDGE = 14;
const HEAD = 26;
const LANE = 18;

function write(pen, text, x, y, { size = 12, weight = 400, colour, align = "left" }) {
  pen.font = `${weight} ${size}px system-ui`;
  pen.fillStyle = colour;
  pen.textAlign = align;
  pen.fillText(text, x, y);
}

export function savePng(panel, [start, end]) {
  const plot = panel.querySelector("canvas");
  if (!plot) return;
  const ratio = plot.width / plot.clientWidth;
  const [width, height] = [plot.clientWidth + 2 * EDGE, plot.clientHeight + HEAD + LANE + 2 * EDGE];
  const canvas = Object.assign(document.createElement("canvas"), { width: width * ratio, height: height * ratio });
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  const colours = getComputedStyle(panel);
  const quiet = getComputedStyle(panel.querySelector(".note") ?? panel).color;
  pen.fillStyle = colours.backgroundColor;
  pen.fillRect(0, 0, width, height);
  const title = `${document.querySelector("h1").textContent.trim()} · ${panel.querySelector("h2").textContent}`;
  write(pen, title, EDGE, EDGE + 12, { size: 13, weight: 600, colour: colours.color });
  write(pen, `${told(start, Infinity, 60)} – ${told(end, Infinity, 60)}`, width - EDGE, EDGE + 12, { colour: quiet, align: "right" });
  for (const each of panel.querySelectorAll("[data-lane] > *")) {
    write(pen, each.textContent, EDGE + each.offsetLeft, EDGE + HEAD + 10, { size: 10.5, colour: getComputedStyle(each).color });
  }
  pen.drawImage(plot, EDGE, EDGE + HEAD + LANE, plot.clientWidth, plot.clientHeight);
  canvas.toBlob((blob) => {
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: `${title.replace(/[^\w.-]+/g, "-")}.png` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
}
