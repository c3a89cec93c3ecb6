// The page of alerts: the two switches for being told of new ones, and the history drawn anew when the open ones change.
// Hears clicks on [data-tell] and gpumon:replaced from #open-alerts; sends gpumon:replaced from [data-history].

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

async function drawHistoryAnew() {
  const section = document.querySelector("[data-history]");
  const answer = await fetch(location.href).catch(() => null); // no server: the badge says so
  if (!answer?.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.querySelector("[data-history]");
  if (!fresh || section.contains(document.activeElement)) return; // not under somebody's hands
  section.replaceChildren(...fresh.childNodes);
  section.dispatchEvent(new CustomEvent("gpumon:replaced", { bubbles: true }));
}

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-tell]");
  if (button) switchOver(button);
});
document.getElementById("open-alerts").addEventListener("gpumon:replaced", drawHistoryAnew);
show();
