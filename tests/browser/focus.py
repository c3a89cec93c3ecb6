"""Finds elements whose outline cannot be seen when they have the focus."""

from __future__ import annotations

from playwright.sync_api import Page

_HIDDEN = """() => {
  const found = [];
  for (const each of document.querySelectorAll("a[href], button, input, select, summary, textarea, [tabindex='0']")) {
    each.focus({ preventScroll: true });
    if (document.activeElement !== each) continue;
    const { outlineStyle, outlineWidth, outlineOffset } = getComputedStyle(each);
    const box = each.getBoundingClientRect();
    if (box.bottom < 0 || box.top > innerHeight || !box.width) continue;
    const reach = outlineStyle === "none" ? NaN : parseFloat(outlineWidth) + parseFloat(outlineOffset);
    const sides = new Set(reach >= 0 ? [] : ["all"]);
    for (let around = each.parentElement; around !== document.body; around = around.parentElement) {
      const { overflowX, overflowY, contentVisibility } = getComputedStyle(around);
      if (overflowX === "visible" && overflowY === "visible" && contentVisibility === "visible") continue;
      const edge = around.getBoundingClientRect();
      if (box.left - reach < edge.left - 0.5) sides.add("left");
      if (box.right + reach > edge.right + 0.5) sides.add("right");
      if (box.top - reach < edge.top - 0.5) sides.add("top");
      if (box.bottom + reach > edge.bottom + 0.5) sides.add("bottom");
    }
    if (sides.size > 1 || sides.has("all")) {
      found.push(`${each.tagName} ${each.id || each.textContent.trim().slice(0, 30)}: ${[...sides].join(", ")}`);
    }
  }
  return found;
}"""


def hidden_outlines(page: Page) -> list[str]:
    """Elements in the window that can have the focus and have no outline then, or one that is cut on two sides or more."""
    page.keyboard.press("Tab")  # from now on, the focus counts as moved by the keyboard
    found: list[str] = page.evaluate(_HIDDEN)
    return found
