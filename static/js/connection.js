// The connection: what the badge says, how old the readings are, pausing, and a watch over sockets that went silent.
// Hears htmx's socket events on [data-socket] and gpumon:pause on document. Sends gpumon:message (detail: the message) and
// gpumon:connection (detail: the state) on document. Sets data-state on [data-page] and on [data-connection].

const { htmx } = window;
const page = document.querySelector("[data-page]");
const badge = document.querySelector("[data-connection]");
const pauseButton = document.querySelector("[data-pause]");
const newVersion = document.querySelector("[data-new-version]");
let socket = document.querySelector("[data-socket]");

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
  if (state === "paused") {
    event.detail.message.cancelled = true; // on its way while the pause began
    return;
  }
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

function listen(element) {
  element.addEventListener("htmx:before:ws:message", hear);
  element.addEventListener("htmx:after:ws:connection", (event) => {
    ({ connection } = event.detail);
    heardAt = performance.now();
  });
  element.addEventListener("htmx:ws:close", () => {
    connection = null;
    if (state !== "paused" && !document.hidden) enter("reconnecting", "The server does not answer");
  });
}

// Pausing takes the socket's element away, and hx-ws closes the socket: a paused page costs the server nothing. Going on
// puts a fresh one there, and the server sends everything.
function pause() {
  const isPaused = state !== "paused";
  pauseButton.setAttribute("aria-pressed", String(isPaused));
  if (isPaused) {
    enter("paused", "Space or the button goes on");
    connection?.socket?.close();
    socket.remove();
    return;
  }
  const fresh = socket.cloneNode();
  fresh.removeAttribute("data-htmx-powered");
  socket = fresh;
  listen(socket);
  document.body.append(socket);
  enter("reconnecting");
  htmx.process(socket);
}

if (socket) {
  listen(socket);
  document.addEventListener("gpumon:pause", pause);
  pauseButton.addEventListener("click", pause);
  setInterval(() => {
    show();
    if (connection && !document.hidden && performance.now() - heardAt > SILENT_MS + 3 * pollMs) {
      heardAt = performance.now();
      connection.socket?.close(); // hx-ws opens another
    }
  }, 1000);
}
document.querySelector("[data-reload]").addEventListener("click", () => location.reload());
