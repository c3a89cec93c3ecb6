// Feeds charts from the socket: points come with messages, and while none come the time goes on, so that a line does not stand
// under "now" that is not of now. Hears gpumon:message and gpumon:connection on document.

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
    if (message.points.time.length || message.stale || before === null) charts.draw();
  });
  setInterval(() => {
    if (state !== "reconnecting" || heardAt === null || document.hidden) return;
    const at = performance.now();
    points.now += (at - heardAt) / 1000;
    heardAt = at;
    charts.draw();
  }, 1000);
}
