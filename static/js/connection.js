// The connection: what the badge says, how old the readings are, pausing, and a watch over sockets that went silent.
// Hears htmx's socket events on [data-socket] and gpumon:pause on document. Sends gpumon:message (detail: the message) and
// gpumon:connection (detail: the state) on document. Sets data-state on [data-page] and on [data-connection].

const { htmx } = window;
const page = document.querySelector("[data-page]");
const badge = document.querySelector("[data-connection]");
const pauseButton = document.querySelector("[data-pause]");
const newVersion = document.querySelector("[data-new-version]");
const socket = document.querySelector("[data-socket]");

const WORDS = { live: "Live", reconnecting: "Reconnecting", stale: "Stale", paused: "Paused", static: "Not live", missing: "No provider" };
const WITHOUT_AGE = ["live", "static", "missing"];
const SILENT_MS = 8000; // a laptop that slept, a cable pulled: the socket looks open and nothing comes

let state = page.dataset.state;
let reason = "";
let readAt = performance.now(); // when the last reading reached this page, by this machine's clock
let ageThen = 0; // how old it was then, in seconds
let heardAt = performance.now();
let pollMs = 1000 * Number(page.dataset.pollSeconds);
let connection = null;

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

function hear(event) {
  const message = event.detail.message.json;
  heardAt = performance.now();
  pollMs = 1000 * (message.poll_interval_seconds ?? 1);
  if (message.sampled_at !== null) {
    readAt = heardAt;
    ageThen = message.age_seconds ?? 0;
  }
  newVersion.hidden = message.version === page.dataset.version;
  if (message.sampled_at === null && !message.stale) enter("missing", "No provider answers");
  else enter(message.stale ? "stale" : "live", message.stale_reason ?? "");
  document.dispatchEvent(new CustomEvent("gpumon:message", { detail: message }));
}

// Has hx-ws let go of the socket that there is and, if one is wanted, open another, which the server sends everything. The
// element gets its hx-ws attribute only here: htmx starts before this file is loaded, and the first message would be missed.
function connect(isWanted) {
  connection?.socket?.close(); // one that is still on its way, too: hx-ws would forget it
  if (isWanted) socket.setAttribute("hx-ws:connect", socket.dataset.socket);
  else socket.removeAttribute("hx-ws:connect");
  htmx.process(socket, true);
}

function pause() {
  const isPaused = state !== "paused";
  pauseButton.setAttribute("aria-pressed", String(isPaused));
  if (isPaused) enter("paused", "Space or the button goes on");
  else enter("reconnecting");
  connect(!isPaused);
}

function opens(event) {
  ({ connection } = event.detail);
  heardAt = performance.now();
}

if (socket) {
  socket.addEventListener("htmx:before:ws:connection", opens);
  socket.addEventListener("htmx:after:ws:connection", (event) => {
    opens(event);
    if (document.hidden) connection.socket.close(); // hx-ws lets go of sockets as a tab is hidden, but opens them in hidden ones
  });
  socket.addEventListener("htmx:before:ws:message", hear);
  socket.addEventListener("htmx:ws:close", () => {
    heardAt = performance.now();
    if (state !== "paused" && !document.hidden) enter("reconnecting", "The server does not answer");
  });
  document.addEventListener("visibilitychange", () => {
    heardAt = performance.now();
  });
  document.addEventListener("gpumon:pause", pause);
  pauseButton.addEventListener("click", pause);
  setInterval(() => {
    show();
    if (state === "paused" || document.hidden || performance.now() - heardAt <= SILENT_MS + 3 * pollMs) return;
    enter("reconnecting", "The server has gone silent");
    connect(true);
  }, 1000);
  connect(true);
}
document.querySelector("[data-reload]").addEventListener("click", () => location.reload());
