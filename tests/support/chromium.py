"""Starts the system's Chromium for tests, benchmarks and screenshots."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""Options to run as root, without a screen, and without Chromium's own update and Google requests at each start."""
_FONTS = Path(__file__).with_name("fonts.conf")
"""The fonts it can use, so that a page measures the same on every machine."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser, closed at the end: Chromium without windows if there is one. Raises FileNotFoundError if there is neither.

    It draws the same pages, and opens one for less than half of the processor time.
    """
    path = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if path is None:
        raise FileNotFoundError(
            "chromium is not in PATH (Debian: apt install chromium-headless-shell; Ubuntu: chromium)"
        )
    with sync_playwright() as playwright:
        environment = {**os.environ, "FONTCONFIG_FILE": str(_FONTS)}
        browser = playwright.chromium.launch(executable_path=path, args=list(_ARGUMENTS), env=environment)
        try:
            yield browser
        finally:
            browser.close()
