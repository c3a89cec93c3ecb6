// The connection badge: says whether the page is live, and how old its readings are while it is not.
// Hears htmx's socket events on [data-live]: htmx:after:ws:connection, htmx:ws:close, htmx:before:ws:message.
// Sends nothing. Sets data-state on [data-live] and on [data-connection].

const page = document.querySelector("[data-live]");
const badge = document.querySelector("[data-connection]");

let readAt = null; // when the last reading reached this page, by this machine's clock
let ageThen = 0; // how old it was then, seconds
let state = "static";
let reason = "";

const WORDS = { live: "Live", reconnecting: "Reconnecting", stale: "Stale", static: "Not live" };

function show() {
  const age = readAt === null ? null : Math.round((performance.now() - readAt) / 1000 + ageThen);
  const text = state === "live" || age === null ? WORDS[state] : `${WORDS[state]}, ${age}\u2009s`;
  if (badge.textContent !== text) badge.textContent = text;
  if (badge.dataset.state !== state) badge.dataset.state = page.dataset.state = state;
  if (badge.title !== reason) badge.title = reason;
}

function enter(next, why = "") {
  state = next;
  reason = why;
  show();
}

page.addEventListener("htmx:before:ws:message", (event) => {
  const message = event.detail.message.json;
  readAt = performance.now();
  ageThen = message.age_seconds ?? 0;
  enter(message.stale ? "stale" : "live", message.stale_reason ?? "");
});

page.addEventListener("htmx:ws:close", () => enter("reconnecting", "The server does not answer"));

setInterval(show, 1000);
