// The tab's title and icon, which show a problem even while another tab is in front.
// Hears gpumon:message and gpumon:connection on document; sends nothing.

const icon = document.querySelector("[data-icon]");
let title = document.title;
let level = ["critical", "warning"].find((each) => icon.getAttribute("href") === icon.dataset[each]) ?? "ok";
let state = "static";

// Loaded in advance: while reconnecting there is no server to load an icon from.
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
