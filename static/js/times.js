// Times of day in the viewer's time zone: the server writes each <time> in UTC. Hears gpumon:replaced on document; sends
// nothing.

function localize(root) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    const at = new Date(element.dateTime);
    element.textContent = at.toLocaleTimeString(undefined, { hour12: false });
    element.title = at.toLocaleString();
  }
}

localize(document);
document.addEventListener("gpumon:replaced", (event) => localize(event.target));
