"""What axe-core says of a page: put into it from outside, since its policy lets no foreign script in."""

from __future__ import annotations

from importlib.resources import files

from playwright.sync_api import Page

SOURCE = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")


def serious(page: Page) -> list[str]:
    """What it finds serious or critical, each with the first of the elements."""
    page.evaluate(SOURCE)
    # No preload: for stylesheets that import others, as Django's do, it makes style elements, which the policy forbids.
    result = page.evaluate("axe.run(document, { resultTypes: ['violations'], preload: false })")
    return [
        f"{found['id']}: {[node['html'][:120] for node in found['nodes']][:4]}"
        for found in result["violations"]
        if found["impact"] in ("serious", "critical")
    ]
