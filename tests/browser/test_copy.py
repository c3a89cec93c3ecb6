"""Copying and downloading."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.support.pages import OpenPage
from tests.support.servers import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ALLOWED = ["clipboard-read", "clipboard-write"]


def test_free_gpus_are_copied_as_cuda_visible_devices(demo: Server, open_page: OpenPage) -> None:
    page = open_page(demo.url, permissions=ALLOWED)
    expect(page.locator("[data-connection]")).to_have_text("Live")
    button = page.locator("[data-copy-free]")
    expect(button).to_have_text(re.compile(r"^\d free GPUs?$"))
    label = button.text_content()
    button.click()
    expect(button).to_have_text("Copied")
    gpus = demo.json("/api/snapshot")["gpus"]
    free = [
        gpu["uuid"] for gpu in gpus if not gpu["processes"] and not gpu["utilization_percent"] and not gpu["mig_mode"]
    ]
    assert free
    assert page.evaluate("navigator.clipboard.readText()") == f"CUDA_VISIBLE_DEVICES={','.join(free)}"
    expect(button).to_have_text(str(label))


def test_copy_falls_back_where_there_is_no_clipboard_api(demo: Server, open_page: OpenPage) -> None:
    """A page over plain HTTP from another machine has no clipboard API."""
    page = open_page(
        demo.url,
        init="Object.defineProperty(navigator, 'clipboard', { get: () => undefined });"
        "document.execCommand = (what) => { window.copied = [what, String(getSelection())]; return true; };",
    )
    button = page.locator("[data-copy-free]")
    button.click()
    expect(button).to_have_text("Copied")
    what, text = page.evaluate("copied")
    assert what == "copy"
    assert text.startswith("CUDA_VISIBLE_DEVICES=GPU-")


def test_snapshot_is_downloaded_as_json(demo: Server, open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page(demo.url)
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Download JSON").click()
    download = waiting.value
    assert download.suggested_filename.endswith("-snapshot.json")
    download.save_as(tmp_path / "snapshot.json")
    snapshot = json.loads((tmp_path / "snapshot.json").read_text())
    assert len(snapshot["gpus"]) == 8
