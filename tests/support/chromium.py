"""How the system's Chromium is started, for tests, benchmarks and pictures alike."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

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
"""As root and without a screen; and quiet: by itself it looks for updates and Google's hosts at each start."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser of the system, ended afterwards. Raises FileNotFoundError when there is none."""
    path = shutil.which("chromium")
    if path is None:
        raise FileNotFoundError("chromium is not in PATH (Debian, Ubuntu: apt install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(_ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()
