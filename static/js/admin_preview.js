// Shows the preview of a rule below its form. Starts from the button with data-preview; without it the answer, which is
// the part with data-preview-answer of a page, opens as a page of its own.

const button = document.querySelector("button[data-preview]");

if (button) {
  const section = button.closest("section");
  const result = section.querySelector("[data-preview-result]");
  let asked = 0;

  const answerOf = async (form) => {
    const response = await fetch(button.formAction, { method: "POST", body: new FormData(form) });
    if (!response.ok) throw new Error(`the server answered with status ${response.status}`);
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const answer = page.querySelector("[data-preview-answer]");
    if (!answer) throw new Error("log in again, in another tab");
    return answer;
  };

  button.addEventListener("click", async (event) => {
    event.preventDefault();
    const turn = (asked += 1);
    section.setAttribute("aria-busy", "true");
    if (!result.hasChildNodes()) result.textContent = "The rule is being tried…";
    let shown;
    try {
      shown = await answerOf(button.form);
    } catch (error) {
      shown = document.createElement("p");
      shown.className = "errornote";
      shown.textContent = `No preview: ${error.message}`;
    }
    if (turn !== asked) return; // a later one has been asked for
    result.replaceChildren(shown);
    section.removeAttribute("aria-busy");
  });
}
