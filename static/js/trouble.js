// The tab's title and icon: they say when something is wrong, also while the tab is not the one looked at.
// Hears gpumon:message and gpumon:connection on document.

const icon = document.querySelector("[data-icon]");
let title = document.title;
let level = ["critical", "warning"].find((each) => icon.getAttribute("href") === icon.dataset[each]) ?? "ok";
let state = "static";

// Fetched now: "reconnecting" shows its icon when there is no server to ask for it.
for (const each of ["ok", "warning", "critical"]) new Image().src = icon.dataset[each];

function show() {
  const isAway = state === "reconnecting";
  const text = isAway ? `Reconnecting · ${title}` : title;
  if (document.title !== text) document.title = text;
  const href = icon.dataset[isAway ? "warning" : level];
  if (icon.getAttribute("href") !== href) icon.setAttribute("href", href);
}

document.addEventListener("gpumon:message", ({ detail }) => {
  ({ title, level } = detail);
  show();
});
document.addEventListener("gpumon:connection", ({ detail }) => {
  state = detail;
  show();
});
