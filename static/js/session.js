// For those who are logged in: a page whose login has ended goes to the login page, in place of trying to connect for ever. Hears
// htmx:ws:close on [data-socket]; sends nothing.

const socket = document.querySelector("[data-socket]");
let isAsking = false;
let isLeaving = false; // by a link, or by the button that logs out

async function ask() {
  if (isAsking) return;
  isAsking = true;
  try {
    const answer = await fetch(location.href, { method: "HEAD", redirect: "manual" });
    if (answer.type === "opaqueredirect" && !isLeaving) location.reload();
  } catch {
    // no server: the badge says so
  }
  isAsking = false;
}

addEventListener("beforeunload", () => {
  isLeaving = true;
});
socket.addEventListener("htmx:ws:close", () => {
  if (!document.hidden) ask();
});
