// Browser notifications and a short sound for new alerts; loaded only after the viewer has switched them on (switches.js).
// Hears gpumon:message on document: if data-alerts of #alerts-link has changed, it asks /api/alerts. A hidden tab has no
// socket and polls. Sends nothing.

const KEY = "gpumon-tell";
const HIDDEN_MS = 15000;
const link = document.getElementById("alerts-link");
let known = null; // ids; the page itself shows those open at load
let mark = link.dataset.alerts;
let audio = null;

export function wanted() {
  try {
    return new Set((localStorage.getItem(KEY) ?? "").split(" ").filter(Boolean));
  } catch {
    return new Set(); // storage is switched off
  }
}

export function want(what, isWanted) {
  const all = wanted();
  if (isWanted) all.add(what);
  else all.delete(what);
  localStorage.setItem(KEY, [...all].join(" "));
}

// Two short tones, 0.3 s. Browsers allow sound only after a click in the page.
export function sound() {
  audio ??= new AudioContext();
  audio.resume();
  [660, 880].forEach((hertz, place) => {
    const tone = audio.createOscillator();
    const volume = audio.createGain();
    const at = audio.currentTime + 0.16 * place;
    tone.frequency.value = hertz;
    volume.gain.setValueAtTime(0.12, at);
    volume.gain.exponentialRampToValueAtTime(0.001, at + 0.15);
    tone.connect(volume).connect(audio.destination);
    tone.start(at);
    tone.stop(at + 0.16);
  });
}

function notify(alert) {
  const icon = document.querySelector("[data-icon]").dataset[alert.severity];
  const where = alert.host_id ? ` on ${alert.host}` : "";
  const body = `Rule “${alert.rule}”${where}, ${alert.severity}`;
  const note = new Notification(alert.summary, { body, tag: alert.id, icon });
  note.onclick = () => {
    window.focus();
    location.assign(`${link.href}/${alert.id}`);
  };
}

async function look() {
  const answer = await fetch(new URL("api/alerts", link.href)).catch(() => null);
  if (!answer?.ok) return; // no server or an ended login: the badge says so, and this asks again
  const { alerts } = await answer.json();
  const loud = alerts.filter((alert) => alert.acknowledged_at === null && !alert.is_muted);
  const fresh = known ? loud.filter(({ id }) => !known.has(id)) : [];
  known = new Set([...(known ?? []), ...alerts.map(({ id }) => id)]);
  if (!fresh.length) return;
  const how = wanted();
  if (how.has("notify") && window.Notification?.permission === "granted") fresh.forEach(notify);
  if (how.has("sound")) sound();
}

document.addEventListener("gpumon:message", () => {
  if (link.dataset.alerts === mark) return;
  mark = link.dataset.alerts;
  look();
});
setInterval(() => document.hidden && wanted().size && look(), HIDDEN_MS);
look(); // even while nothing is switched on, so that switching it on announces only later alerts
