// Times in the viewer's zone: the server writes each <time> in its own, with UTC as the title. A cookie names the viewer's zone,
// so that the server groups by the viewer's days. Hears gpumon:replaced on document; sends nothing.

const time = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
const day = { day: "numeric", month: "short", year: "numeric" };
const FORMS = { full: { ...day, ...time }, time, short: { ...time, second: undefined } };
const written = (at, form) => new Intl.DateTimeFormat("en-GB", form).format(at);

function localize(root) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    const at = new Date(element.dateTime);
    const form = FORMS[element.dataset.form] ?? time;
    const isToday = written(at, day) === written(new Date(), day);
    element.textContent = written(at, isToday ? form : { ...form, day: "numeric", month: "short" });
  }
}

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const home = new URL(document.querySelector(".brand").href).pathname;
if (zone) document.cookie = `gpumon_zone=${zone}; path=${home}; max-age=31536000; samesite=lax`;
localize(document);
document.addEventListener("gpumon:replaced", (event) => localize(event.target));
