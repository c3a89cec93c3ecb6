// Chips of states that come and go within a second, such as the power cap, stay for 10 s after they were last true: those with
// data-hold. Meanwhile data-is-over and the tooltip say so. On a card the first two show. Hears and sends nothing; pieces.js calls it for new chips.

const HOLD_MS = 10_000;
const MOST_ON_A_CARD = 2;
const leaving = new WeakSet();

function hideOthers(element) {
  if (!element.closest(".gpu")) return;
  for (const [place, chip] of [...element.children].entries()) chip.hidden = place >= MOST_ON_A_CARD;
}

export function replaceChips(element, content) {
  const wanted = [...content.children];
  const isWanted = (chip) => wanted.some((each) => each.textContent === chip.textContent);
  const held = [...element.children].filter((chip) => chip.hasAttribute("data-hold") && !isWanted(chip));
  for (const chip of held) {
    if (leaving.has(chip)) continue;
    leaving.add(chip);
    chip.dataset.isOver = "";
    chip.title = `No longer; shown for ${HOLD_MS / 1000} s. ${chip.title}`;
    setTimeout(() => {
      chip.remove();
      hideOthers(element);
    }, HOLD_MS);
  }
  const isLoud = (chip) => chip.hasAttribute("data-level");
  element.replaceChildren(...wanted.filter(isLoud), ...held, ...wanted.filter((chip) => !isLoud(chip)));
  hideOthers(element);
}
