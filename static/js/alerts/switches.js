// The page of alerts: the two switches for notifications and sound. Hears clicks on [data-tell]; sends nothing.

import { sound, want, wanted } from "./notifications.js";

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
  if (!window.isSecureContext || !window.Notification) return "This browser allows notifications only over HTTPS or on localhost.";
  if ((await Notification.requestPermission()) === "granted") return "";
  return "Notifications are blocked; allow them in the browser's site settings.";
}

async function switchOver(button) {
  const { tell } = button.dataset;
  const isWanted = button.getAttribute("aria-pressed") !== "true";
  problem.textContent = isWanted ? await whyNot(tell) : "";
  if (problem.textContent) return;
  try {
    want(tell, isWanted);
  } catch (error) {
    problem.textContent = `Cannot save this setting: ${error.message}`;
    return;
  }
  if (isWanted && tell === "sound") sound();
  show();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-tell]");
  if (button) switchOver(button);
});
show();
