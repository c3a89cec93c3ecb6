// Tells of new alerts by a notification of the browser and by a short sound, for those who switched that on (alerts_page.js); nobody
// else loads this file. Hears gpumon:message on document: when #alerts-link says by data-alerts that others are open, /api/alerts
// says which. A hidden tab has no socket and asks by itself. Sends nothing.

const KEY = "gpumon-tell";
const HIDDEN_MS = 15000;
const link = document.getElementById("alerts-link");
let known = null; // ids; those open at load are told of by the page
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

// Two short tones, 0.3 s. Browsers let a page sound only after somebody has clicked in it.
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
  const note = new Notification(alert.summary, { body: `Rule “${alert.rule}”, ${alert.severity}`, tag: alert.id, icon: document.querySelector("[data-icon]").dataset[alert.severity] });
  note.onclick = () => {
    window.focus();
    location.assign(`${link.href}/${alert.id}`);
  };
}

async function look() {
  const answer = await fetch(new URL("api/alerts", link.href)).catch(() => null);
  if (!answer?.ok) return; // no server, or no login any more: the badge says so, and the next look comes
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
look(); // also where nothing is switched on yet: who does so on this page is told of what comes after
