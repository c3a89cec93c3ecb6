// The points of charts: columns by metric and GPU, with one column of times. They are kept by age, not by count, and a gap in
// the readings gets a null, which makes a gap in the line. Hears and sends nothing.

export class Points {
  constructor(seconds, shortestStep) {
    this.seconds = seconds;
    this.shortestStep = shortestStep;
    this.times = [];
    this.columns = new Map();
    this.step = shortestStep; // seconds between readings
    this.now = null; // the right edge, by the server's clock
  }

  column(metric, gpu) {
    const key = `${metric} ${gpu}`;
    if (!this.columns.has(key)) this.columns.set(key, Array(this.times.length).fill(null));
    return this.columns.get(key);
  }

  take(message) {
    const { kind, points, poll_interval_seconds: poll, time } = message;
    if (kind === "full") {
      this.times.length = 0;
      this.columns.clear();
    }
    if (points.time.length) this.#forgetFrom(points.time[0]);
    const step = Math.max(poll ?? 1, this.shortestStep);
    this.step = step;
    points.time.forEach((at, index) => {
      const last = this.times.at(-1);
      if (last !== undefined && at - last > 2.5 * step) this.#append(last + step, points, -1);
      this.#append(at, points, index);
    });
    this.now = Math.max(time, this.times.at(-1) ?? time);
    this.#forget(this.now - this.seconds - step);
  }

  #append(at, { gpus, series }, index) {
    const length = this.times.push(at);
    for (const [metric, columns] of Object.entries(series)) {
      gpus.forEach((gpu, place) => {
        const column = this.column(metric, gpu);
        column[length - 1] = index < 0 ? null : columns[place][index];
      });
    }
    for (const column of this.columns.values()) if (column.length < length) column.push(null);
  }

  // The server's clock was set back: points from its future would never leave, and the times must ascend.
  #forgetFrom(first) {
    if (!(this.times.at(-1) >= first)) return;
    const count = this.times.findIndex((time) => time >= first);
    for (const column of [this.times, ...this.columns.values()]) column.length = count;
  }

  #forget(before) {
    let count = 0;
    while (count < this.times.length && this.times[count] < before) count += 1;
    if (count === 0) return;
    this.times.splice(0, count);
    for (const column of this.columns.values()) column.splice(0, count);
  }
}
