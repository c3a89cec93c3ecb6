// Pure functions on columns: several series on one column of times, and gaps. Hears and sends nothing.

const MISSED = 2.5; // steps without a point that make a gap, as in points.js

// [time, mean, low, high, mean, low, high, …] of { time, mean, low, high }. A point stands in the middle of its bucket. A null is a
// break in the line, undefined a time that only another series has.
export function joined(parts, bucket) {
  const times = parts.every(({ time }) => time === parts[0].time) ? parts[0].time : [...new Set(parts.flatMap(({ time }) => time))].sort((a, b) => a - b);
  const half = bucket > 1 ? bucket / 2 : 0;
  const columns = [half ? times.map((at) => at + half) : times];
  for (const { time, mean, low, high } of parts) {
    if (time === times) columns.push(mean, low, high);
    else {
      const place = new Map(time.map((at, index) => [at, index]));
      for (const column of [mean, low, high]) columns.push(times.map((at) => (place.has(at) ? column[place.get(at)] : undefined)));
    }
  }
  return columns;
}

// Two parts of the same series: the second replaces the first from its own beginning.
export function continued(past, live) {
  if (!past?.time.length) return live;
  const first = live.time[0] ?? Infinity;
  const count = past.time.findIndex((at) => at > first - 1); // its second has begun before
  const kept = (column) => (count < 0 ? column : column.slice(0, count));
  const [time, mean, low, high] = ["time", "mean", "low", "high"].map((name) => kept(past[name]).concat(live[name]));
  return { time, mean, low, high };
}

const overlap = (a, b) => Math.min(a.end, b.end) - Math.max(a.start, b.start);

// { start, end, text } wherever live columns have no value, from start to end. `named`: gaps of the API, with their reasons.
export function gapsOf([times, ...columns], [start, end], bucket, named) {
  const known = times.filter((_, index) => columns.some((column) => column[index] != null));
  if (!known.length) return named;
  const half = bucket / 2;
  const found = [];
  [...known, end + half].reduce((last, at) => {
    if (at - last > MISSED * bucket) found.push({ start: Math.max(start, last + half), end: Math.min(end, at - half) });
    return at;
  }, start - half);
  return found.map((gap) => {
    const [best] = [...named].sort((a, b) => overlap(b, gap) - overlap(a, gap));
    return { ...gap, text: best && overlap(best, gap) > 0 ? best.text : "no readings" };
  });
}

// The gaps that all of these answers have.
export function commonGaps(answers) {
  const keyOf = ({ start, end, text }) => `${start} ${end} ${text}`;
  const [first, ...others] = answers.map(({ gaps }) => gaps);
  return (first ?? []).filter((gap) => others.every((gaps) => gaps.some((each) => keyOf(each) === keyOf(gap))));
}
