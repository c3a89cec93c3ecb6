"""Runs axe-core on a page. Playwright injects it, because the page's policy forbids foreign scripts."""

from __future__ import annotations

from importlib.resources import files

from playwright.sync_api import Page

SOURCE = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")

_SETTLED = """() => new Promise((then) => requestAnimationFrame(then)).then(() => Promise.all(document.getAnimations()
  .filter((each) => each instanceof CSSTransition).map(({ finished }) => finished.catch(() => null))))"""
"""The links of Django's admin fade from one color to another."""


_RULES_OF_COLOR = ("color-contrast", "link-in-text-block")


def serious_in_both_themes(page: Page) -> list[str]:
    """As `serious`, in the dark theme and in the light one. Only colors differ between them."""
    found = []
    rules: tuple[str, ...] = ()
    for theme in ("dark", "light"):
        page.emulate_media(color_scheme=theme)
        page.evaluate(_SETTLED)
        found += [f"{theme}: {problem}" for problem in serious(page, rules)]
        rules = _RULES_OF_COLOR
    return found


def serious(page: Page, rules: tuple[str, ...] = ()) -> list[str]:
    """The serious and critical violations of these rules, by default of all, each with its first element."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(SOURCE)
    # No preload: for stylesheets that import others, as Django's do, axe creates style elements, which the policy forbids.
    result = page.evaluate(
        "(rules) => axe.run(document, { resultTypes: ['violations'], preload: false, ...(rules.length && { runOnly: rules }) })",
        list(rules),
    )
    return [
        f"{found['id']}: {[node['html'][:120] for node in found['nodes']][:4]}"
        for found in result["violations"]
        if found["impact"] in ("serious", "critical")
    ]
