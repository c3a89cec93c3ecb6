// Times on the axes and at the cursor, in the viewer's zone, with as much as the span needs. Hears and sends nothing.

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86_400;
const STEPS = [1, 2, 5, 10, 15, 30, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 5 * DAY, 10 * DAY, 30 * DAY, 61 * DAY, 182 * DAY, 365 * DAY];
const clock = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
const day = { day: "numeric", month: "short" };
const formats = new Map();

function written(at, form) {
  const key = Object.keys(form).join();
  if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat("en-GB", form));
  return formats.get(key).format(at * 1000);
}

// About `count` round times between min and max: of the local clock, so that midnight is one of them, also where the clock changes.
export function splits(min, max, count) {
  const step = STEPS.find((each) => (max - min) / each <= count) ?? STEPS.at(-1);
  const at = new Date(min * 1000);
  const found = [];
  if (step < DAY) {
    at.setHours(0, 0, 0, 0);
    const midnight = at.getTime() / 1000;
    const shift = (second) => 60 * (new Date(second * 1000).getTimezoneOffset() - at.getTimezoneOffset());
    for (let second = midnight + step * Math.floor((min - midnight) / step); second <= max + HOUR; second += step) {
      const local = second + (step >= HOUR ? shift(second) : 0);
      if (local >= min && local <= max) found.push(local);
    }
    return [...new Set(found)];
  }
  const months = Math.round(step / (30 * DAY));
  const days = Math.round(step / DAY);
  for (let part = 0; part <= count + 2; part += 1) {
    const date = months
      ? new Date(at.getFullYear(), months * Math.floor(at.getMonth() / months) + part * months, 1)
      : new Date(at.getFullYear(), at.getMonth(), at.getDate() + part * days);
    const second = date.getTime() / 1000;
    if (second >= min && second <= max) found.push(second);
  }
  return found;
}

// On the axis, with the step between its times, or the whole span where there is only one.
export function label(at, shown, span) {
  const step = shown.length > 1 ? shown[1] - shown[0] : span;
  if (step >= 25 * DAY) return written(at, { month: "short", year: "numeric" });
  if (step >= DAY - 2 * HOUR) return written(at, day);
  const time = written(at, step < MINUTE ? { ...clock, second: "2-digit" } : clock);
  return time === "00:00" ? written(at, day) : time;
}

// A time at the cursor, with the day if a time of day can be meant twice. The last 24 hours grow by some minutes in an open page.
export function told(at, seconds, bucket) {
  if (bucket >= DAY) return written(at, { ...day, year: "numeric" });
  const time = bucket < MINUTE ? { ...clock, second: "2-digit" } : clock;
  return written(at, seconds > DAY + HOUR ? { ...day, ...time } : time);
}
