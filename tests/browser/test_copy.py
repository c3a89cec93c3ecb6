"""Copying and downloading."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.axe import serious
from tests.support.pages import WIDTHS, OpenPage, too_wide
from tests.support.servers import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ALLOWED = ["clipboard-read", "clipboard-write"]


def test_free_gpu_is_chosen_and_its_line_copied(demo: Server, open_page: OpenPage) -> None:
    page = open_page(demo.url, permissions=ALLOWED)
    expect(page.locator("[data-connection]")).to_have_text("Live")
    button = page.locator("[data-picker] summary")
    expect(button).to_have_text(re.compile(r"^\d free GPUs?$"))
    button.press("Enter")
    copy = page.locator(".copy-line button").first
    copy.click()
    expect(copy).to_have_text("Copied")
    free = [gpu["uuid"] for gpu in demo.json("/api/snapshot")["gpus"] if gpu["use"] == "free" and not gpu["mig_mode"]]
    assert page.evaluate("navigator.clipboard.readText()").removeprefix("CUDA_VISIBLE_DEVICES=") in free
    expect(copy).to_have_text("Copy")
    page.get_by_role("spinbutton", name="GPUs").fill(str(len(free) + 1))
    page.get_by_label("Free memory").select_option("20GiB")
    expect(page.locator("#free-choice")).to_contain_text("are wanted.")
    expect(page.locator(".copy-line")).to_have_count(1)
    expect(page.locator("#free-choice")).to_contain_text(f"gpumon wait --count {len(free) + 1} --memory 20GiB -- ")
    assert serious(page) == []
    page.keyboard.press("Escape")
    expect(page.locator("#free-choice")).to_be_hidden()
    expect(button).to_be_focused()


def test_picker_offers_nothing_once_the_server_does_not_answer(demo: Server, open_page: OpenPage) -> None:
    page = open_page(demo.url, expecting=["ERR_FAILED|htmx"])
    page.locator("[data-picker] summary").click()
    choice = page.locator("#free-choice")
    expect(choice).to_contain_text("CUDA_VISIBLE_DEVICES=GPU-")
    page.route("**/free?*", lambda route: route.abort())
    page.get_by_label("Free for").select_option("1min")
    expect(choice).to_have_text("The server does not respond: which GPUs are free is not known.")


def test_free_gpus_can_be_chosen_without_a_script(demo: Server, open_page: OpenPage) -> None:
    page = open_page(demo.url, java_script_enabled=False)
    page.locator("[data-picker] summary").click()
    page.locator("[data-picker]").get_by_role("link", name="Choose free GPUs").click()
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("heading", name="Free GPUs")).to_be_visible()
    expect(page.locator(".copy-line").first).to_contain_text("CUDA_VISIBLE_DEVICES=GPU-")
    assert too_wide(page, WIDTHS) == []


def test_copy_falls_back_where_there_is_no_clipboard_api(demo: Server, open_page: OpenPage) -> None:
    """A page over plain HTTP from another machine has no clipboard API."""
    page = open_page(
        f"{demo.url}/free",
        init="Object.defineProperty(navigator, 'clipboard', { get: () => undefined });"
        "document.execCommand = (what) => { window.copied = [what, String(getSelection())]; return true; };",
    )
    button = page.locator(".copy-line button").first
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
