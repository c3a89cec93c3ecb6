// Feeds charts from the socket. Points come with messages; while the connection is lost the time axis keeps moving, so that the
// line's end does not stay at "now". Hears gpumon:message and gpumon:connection on document; sends nothing.

export function roll(points, charts) {
  let heardAt = null;
  let state = "static";

  document.addEventListener("gpumon:connection", ({ detail }) => {
    state = detail;
  });
  document.addEventListener("gpumon:message", ({ detail: message }) => {
    const before = points.now;
    points.take(message);
    heardAt = performance.now();
    if (message.points.time.length || message.stale || before === null) charts.drawLater();
  });
  setInterval(() => {
    if (state !== "reconnecting" || heardAt === null || document.hidden) return;
    const at = performance.now();
    points.now += (at - heardAt) / 1000;
    heardAt = at;
    charts.drawLater();
  }, 1000);
}
