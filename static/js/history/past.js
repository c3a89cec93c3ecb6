// Stored columns of a span, from /api/history: fetched for a new span, and again while a range moves on.
// Hears gpumon:span and gpumon:connection on document; sends gpumon:past on document when columns have arrived.

import { edges, isLive, withSpan } from "./span.js";

const SHORTEST_MS = 2000;
const LONGEST_MS = 60_000;
const BUSY_MS = 300; // what is fetched faster needs no sign of it
const words = document.querySelector("[data-bucket]");

export class Past {
  // `address` of the API with the metrics and GPUs; points() is the number of points that the charts can show; needsMore() is
  // whether columns of a range that moves on are fetched again.
  constructor(address, points, needsMore = () => true) {
    this.address = address;
    this.points = points;
    this.needsMore = needsMore;
    this.series = new Map(); // by "metric source": an Answer of the API
    this.start = 0;
    this.end = 0;
    this.bucket = 1;
    this.isPaused = false;
    document.addEventListener("gpumon:span", () => this.load());
    document.addEventListener("gpumon:connection", ({ detail }) => {
      this.isPaused = detail === "paused";
    });
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && isLive()) this.load();
    });
  }

  get(metric, source) {
    return this.series.get(`${metric} ${source}`);
  }

  async load() {
    clearTimeout(this.timer);
    this.asked?.abort();
    this.asked = new AbortController();
    const { signal } = this.asked;
    const [start, end] = edges();
    const address = new URL(withSpan(this.address));
    address.searchParams.set("points", String(this.points()));
    for (const link of document.querySelectorAll("[data-span-link]")) link.href = `${address}&format=csv`; // the same columns
    const busy = setTimeout(() => words.parentElement.setAttribute("aria-busy", "true"), BUSY_MS);
    try {
      const response = await fetch(address, { signal });
      const answer = await response.json();
      if (!response.ok) throw new Error(answer.error);
      this.#take(answer, start, end);
      this.#again(Math.min(LONGEST_MS, Math.max(SHORTEST_MS, 500 * this.bucket)));
    } catch (error) {
      if (signal.aborted) return;
      words.textContent = `No history: ${error.message}`;
      this.#again(LONGEST_MS);
    } finally {
      clearTimeout(busy);
      if (!signal.aborted) words.parentElement.removeAttribute("aria-busy");
    }
  }

  #take({ series }, start, end) {
    this.series = new Map(series.map((each) => [`${each.metric} ${each.source}`, each]));
    [this.start, this.end] = [start, end];
    this.bucket = Math.max(1, ...series.map((each) => each.bucket_seconds));
    document.dispatchEvent(new CustomEvent("gpumon:past"));
  }

  // A range that ends now moves on by buckets.
  #again(ms) {
    if (!isLive() || !this.needsMore()) return;
    this.timer = setTimeout(() => {
      if (document.hidden || this.isPaused) this.#again(ms);
      else this.load();
    }, ms);
  }
}

// "4 min buckets: line = mean, band = min–max", said once beside the range.
export function sayBucket(bucket, what) {
  const [size, unit] = [[86_400, "d"], [3600, "h"], [60, "min"], [1, "s"]].find(([each]) => bucket % each === 0);
  words.textContent = bucket <= 1 ? "Every reading" : `${bucket / size}\u2009${unit} buckets: ${what}`;
}
