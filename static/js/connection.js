// The connection: badge, age of the readings, pausing, a watchdog for silent sockets, and why there is none. Hears the
// events of hx-ws, gpumon:pause and gpumon:replaced. Sends gpumon:message (detail: the message) once its content is in the
// page, and gpumon:connection (detail: the state), on document.

const { htmx } = window;
const page = document.querySelector("[data-page]");
const badge = document.querySelector("[data-connection]");
const pauseButton = document.querySelector("[data-pause]");
const newVersion = document.querySelector("[data-new-version]");
const socket = document.querySelector("[data-socket]");

const WORDS = {
  live: "Live",
  reconnecting: "Reconnecting",
  stale: "Stale",
  paused: "Paused",
  static: "Not live",
  missing: "No data source",
};
const WITHOUT_AGE = ["live", "static", "missing"];
const SILENT_MS = 8000; // after sleep, a socket looks open and nothing arrives

// Those of hx-ws, 1000, with which a proxy may close, and 4001, an ended session: viewing may need none.
htmx.config.ws.reconnectCodes = [1000, 1001, 1005, 1006, 1011, 1012, 1013, 1014, 4001];

let state = page.dataset.state;
let reason = "";
let readAt = performance.now(); // when the last reading came
let ageThen = 0; // its age then, in seconds
let heardAt = performance.now();
let pollMs = 1000 * Number(page.dataset.pollSeconds);
let isLeaving = false; // by a link, or by the button that logs out
let wasOpen = false;
let answered = false; // the server, when the socket closed before

function show() {
  const age = Math.max(0, Math.round((performance.now() - readAt) / 1000 + ageThen));
  const text = WITHOUT_AGE.includes(state) ? WORDS[state] : `${WORDS[state]}, ${age}\u2009s`;
  if (badge.textContent !== text) badge.textContent = text;
  if (badge.title !== reason) badge.title = reason;
  if (badge.dataset.state !== state) badge.dataset.state = state;
  if (page.dataset.state !== state) {
    page.dataset.state = state;
    document.dispatchEvent(new CustomEvent("gpumon:connection", { detail: state }));
  }
}

function enter(next, why = "") {
  state = next;
  reason = why;
  show();
}

function receive(message) {
  heardAt = performance.now();
  wasOpen = true;
  answered = false;
  pollMs = 1000 * (message.poll_interval_seconds ?? 1);
  if (message.sampled_at !== null) {
    readAt = heardAt;
    ageThen = message.age_seconds ?? 0;
  }
  newVersion.hidden = message.version === page.dataset.version;
  if (message.sampled_at === null && !message.stale) enter("missing", "No data source responds");
  else enter(message.stale ? "stale" : "live", message.stale_reason ?? "");
  document.dispatchEvent(new CustomEvent("gpumon:message", { detail: message }));
}

// Replaces or closes the socket. It gets its hx-ws attribute only here: htmx starts before this file is loaded.
function connect(isWanted) {
  if (isWanted) socket.setAttribute("hx-ws:connect", socket.dataset.socket);
  else socket.removeAttribute("hx-ws:connect");
  htmx.process(socket, true);
}

// Another arrangement of the page has another socket: [data-view] has its address.
function changeView() {
  const wanted = document.querySelector("[data-view]")?.dataset.view;
  if (!wanted || wanted === socket.dataset.socket) return;
  socket.dataset.socket = wanted;
  if (state !== "paused") connect(true);
}

function pause() {
  const isPaused = state !== "paused";
  pauseButton.setAttribute("aria-pressed", String(isPaused));
  if (isPaused) enter("paused", "Press Space or the button to resume");
  else enter("reconnecting");
  connect(!isPaused);
}

// Asks the server why there is no socket. It may have been away until now, so its answer counts from the second one on.
async function findOut() {
  const answer = await fetch(socket.dataset.socket, { method: "POST", redirect: "manual" }).catch(() => null);
  if (isLeaving || state !== "reconnecting") return;
  const status = answer ? answer.status : 504;
  if ([0, 401, 410].includes(status) && wasOpen) location.reload(); // to the login, here or at a proxy; the link has ended
  else if (status >= 500) enter(state, "The server does not respond");
  else if (answered) {
    const text = await answer.text();
    enter(state, /^[^<]/.test(text) ? text : `A proxy in between refuses the socket (status ${status})`);
  }
  answered = status < 500;
}

function stillHere() {
  heardAt = performance.now();
}

if (socket) {
  socket.addEventListener("htmx:ws:before:connection", stillHere);
  socket.addEventListener("htmx:ws:after:connection", ({ detail }) => {
    stillHere();
    // hx-ws closes sockets when a tab is hidden (pauseOnBackground), but also opens them there.
    if (document.hidden) detail.connection.socket.close();
  });
  socket.addEventListener("htmx:ws:before:message:incoming", ({ detail: { message } }) => {
    const parsed = message.json(); // once, for hx-ws and for this page
    message.json = () => parsed;
  });
  socket.addEventListener("htmx:ws:after:message:incoming", async ({ detail: { message } }) => {
    receive(await message.json());
  });
  socket.addEventListener("htmx:ws:close", ({ detail }) => {
    if (detail.reason !== "closed" || document.hidden) return;
    stillHere();
    enter("reconnecting", state === "reconnecting" ? reason : "");
    findOut();
  });
  document.addEventListener("visibilitychange", stillHere);
  document.addEventListener("gpumon:pause", pause);
  document.addEventListener("gpumon:replaced", changeView);
  addEventListener("beforeunload", () => {
    isLeaving = true;
  });
  pauseButton.addEventListener("click", pause);
  setInterval(() => {
    show();
    if (state === "paused" || document.hidden || performance.now() - heardAt <= SILENT_MS + 3 * pollMs) return;
    enter("reconnecting", "The server sends nothing");
    connect(true);
  }, 1000);
  connect(true);
}
document.querySelector("[data-reload]").addEventListener("click", () => location.reload());
