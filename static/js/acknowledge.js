// Acknowledges an alert without leaving the page: a button of the form #acknowledge opens its dialog, which asks for a note. Only
// those who may get this file; without it the same buttons send the form. Hears clicks and the form's submit; sends nothing.

const dialog = document.querySelector("[data-acknowledge]");
const form = document.getElementById("acknowledge");
const problem = dialog.querySelector("[data-acknowledge-problem]");
const note = form.elements.namedItem("note");

async function send() {
  let answer;
  try {
    answer = await fetch(form.action, { method: "POST", body: new FormData(form), headers: { Accept: "application/json" } });
  } catch {
    return "The server does not answer. Try again in a moment.";
  }
  // A page is no answer, whatever its status: a login that ended leads to one.
  const isJson = answer.headers.get("Content-Type") === "application/json";
  if (!isJson) return `The server did not take it (${answer.status}): load the page anew and try again.`;
  return answer.ok ? "" : (await answer.json()).error;
}

document.addEventListener("click", (event) => {
  const button = event.target.closest?.('button[form="acknowledge"]');
  if (!button) return;
  event.preventDefault();
  if (form.action !== button.formAction) note.value = ""; // what was written of another alert
  form.action = button.formAction;
  dialog.querySelector("[data-acknowledge-summary]").textContent = button.dataset.summary;
  problem.hidden = true;
  dialog.showModal();
  note.focus();
});

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  problem.textContent = await send();
  problem.hidden = !problem.textContent;
  if (problem.textContent) return;
  note.value = "";
  dialog.close();
});

dialog.querySelector("[data-acknowledge-cancel]").addEventListener("click", () => dialog.close());
