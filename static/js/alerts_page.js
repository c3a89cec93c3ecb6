// The page of alerts: the two switches for being told of new ones, and the history drawn anew when the open ones change.
// Hears clicks on [data-tell] and gpumon:replaced from #open-alerts; sends nothing.

import { sound, want, wanted } from "./alerts.js";

const NAMES = { notify: "Notifications", sound: "Sound" };
const problem = document.querySelector("[data-tell-problem]");

function show() {
  const on = wanted();
  for (const button of document.querySelectorAll("[data-tell]")) {
    const isOn = on.has(button.dataset.tell);
    button.setAttribute("aria-pressed", String(isOn));
    button.textContent = `${NAMES[button.dataset.tell]}: ${isOn ? "on" : "off"}`;
  }
}

async function whyNot(what) {
  if (what !== "notify") return "";
  if (!window.isSecureContext || !window.Notification) return "This browser notifies only for pages that come by HTTPS or from this machine itself.";
  if ((await Notification.requestPermission()) === "granted") return "";
  return "The browser does not let this site notify: its own settings for this site do.";
}

async function switchOver(button) {
  const { tell } = button.dataset;
  const isWanted = button.getAttribute("aria-pressed") !== "true";
  problem.textContent = isWanted ? await whyNot(tell) : "";
  if (problem.textContent) return;
  try {
    want(tell, isWanted);
  } catch (error) {
    problem.textContent = `The choice cannot be kept: ${error.message}`;
    return;
  }
  if (isWanted && tell === "sound") sound();
  show();
}

// What is open is told before it is written: until the history has it too, it is looked at again.
const section = document.querySelector("[data-history]");
const AGAIN_MS = 2000;
let timer;
let turn = 0;

const isHeld = () => section.contains(document.activeElement); // not under somebody's hands

async function historyNow() {
  const answer = await fetch(location.href);
  return new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-history]");
}

async function drawHistoryAnew() {
  clearTimeout(timer);
  const mine = (turn += 1);
  const fresh = isHeld() ? null : await historyNow().catch(() => null); // no server: the badge says so
  if (mine !== turn) return;
  const isNew = fresh && !isHeld();
  if (isNew) section.replaceChildren(...fresh.childNodes);
  if (!isNew || "isBehind" in fresh.dataset) timer = setTimeout(drawHistoryAnew, AGAIN_MS);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-tell]");
  if (button) switchOver(button);
});
document.getElementById("open-alerts").addEventListener("gpumon:replaced", drawHistoryAnew);
if ("isBehind" in section.dataset) timer = setTimeout(drawHistoryAnew, AGAIN_MS);
show();
