// Times of day in the viewer's time zone: the server writes each <time> in UTC. Hears gpumon:replaced on document; sends
// nothing. With data-short, without seconds.

function localize(root) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    const at = new Date(element.dateTime);
    const form = element.hasAttribute("data-short") ? { hour: "2-digit", minute: "2-digit" } : {};
    element.textContent = at.toLocaleTimeString(undefined, { hour12: false, ...form });
    element.title = at.toLocaleString();
  }
}

localize(document);
document.addEventListener("gpumon:replaced", (event) => localize(event.target));
