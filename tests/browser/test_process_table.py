"""The process table: sorting, filtering, and rows that stay in place while values change."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from tests.browser.serving import start
from tests.fakes.fake_driver import FakeDriver
from tests.support.pages import OpenPage, until
from tests.support.servers import Server, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.slow]

COLUMNS = ("User", "GPU", "Command", "GPU memory", "SM", "CPU", "RAM", "Container, job", "Type", "PID")
TEXTS = ("User", "Type", "Command", "Container, job")
SCALES = {"MiB": 2**-10, "GiB": 1.0, "TiB": 2**10}


@pytest.fixture(scope="module")
def pids() -> Iterator[list[int]]:
    """Real processes, so that the host knows their command lines."""
    started = [
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", name])
        for name in ("alpha", "beta", "gamma")
    ]
    yield [process.pid for process in started]
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def load(fresh_host: Server, driver: FakeDriver, pids: list[int]) -> Callable[..., None]:
    """Set how busy the SMs are for each process on GPU 0; None: the process is not there."""

    def load(*sm: int | None) -> None:
        listed = [
            f"{pid}:C:{1024 * (place + 1)}:{each}"
            for place, (pid, each) in enumerate(zip(pids, sm, strict=True))
            if each is not None
        ]
        driver.set({"gpu.0.processes": ",".join(listed)})

    load(10, 20, 30)
    wait_for(lambda: len(fresh_host.json("/api/snapshot?gpu=0")["processes"]) == 3, "the processes")
    return load


def cells(page: Page, title: str) -> list[str]:
    rows = page.locator(f"#processes tbody tr:visible td:nth-child({COLUMNS.index(title) + 1})")
    return [text.strip() for text in rows.all_inner_texts()]


def order_of(text: str) -> tuple[bool, float | str]:
    """The value a cell sorts by; unknown comes last."""
    number, _, unit = text.replace("\u2009", " ").partition(" ")
    return text == "—", float(number) * SCALES.get(unit, 1.0) if re.match(r"^[\d.]+$", number) else text.lower()


def is_sorted(texts: list[str], *, descending: bool) -> bool:
    known = [order_of(text) for text in texts if text != "—"]
    return known == sorted(known, reverse=descending) and texts[len(known) :] == ["—"] * (len(texts) - len(known))


def live(page: Page) -> Page:
    expect(page.locator("[data-connection]")).to_have_text("Live")
    return page


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Simulated processes on 16 GPUs, read once a minute: nothing moves during the assertions."""
    server = start(
        tmp_path_factory.mktemp("still"), telemetry_provider="simulated", simulated_gpus=16, poll_interval_ms=60_000
    )
    yield server
    server.stop()


def test_click_on_a_column_sorts_by_it_and_a_second_click_reverses_the_order(
    still: Server, open_page: OpenPage
) -> None:
    page = live(open_page(still.url))
    for title in COLUMNS:
        header = page.get_by_role("columnheader", name=re.compile(rf"^{title}( [↑↓])?$"))
        seen = []
        for _ in range(2):
            header.get_by_role("link").click()
            direction = header.get_attribute("aria-sort")
            assert direction in ("ascending", "descending")
            texts = cells(page, title)
            assert is_sorted(texts, descending=direction == "descending"), (title, texts)
            seen.append(direction)
        assert seen == (["ascending", "descending"] if title in TEXTS else ["descending", "ascending"]), title
        name = header.get_by_role("link").get_attribute("data-sort")
        expect(page).to_have_url(re.compile(rf"\?sort={name}&order={seen[-1].removesuffix('ending')}"))
        assert page.locator("th[aria-sort]").count() == 1


def test_sort_and_filter_in_the_address_are_applied(still: Server, open_page: OpenPage) -> None:
    page = live(open_page(still.url + "/?sort=memory&order=asc&filter=python"))
    expect(page.get_by_role("searchbox")).to_have_value("python")
    assert all("python" in command for command in cells(page, "Command"))
    assert is_sorted(cells(page, "GPU memory"), descending=False)
    expect(page.get_by_role("columnheader", name="GPU memory")).to_have_attribute("aria-sort", "ascending")


def test_table_is_filtered_while_typing_and_the_address_follows(still: Server, open_page: OpenPage) -> None:
    page = live(open_page(still.url + "/?sort=pid&order=desc"))
    everything = cells(page, "PID")
    box = page.get_by_role("searchbox")
    box.press_sequentially("oskar")
    assert set(cells(page, "User")) == {"oskar"}
    expect(page).to_have_url(re.compile("sort=pid&order=desc&filter=oskar"))
    box.press_sequentially(" nobody")
    assert cells(page, "PID") == []
    expect(page.get_by_text("No processes to show.")).to_be_visible()
    box.fill("")
    assert cells(page, "PID") == everything
    assert "filter" not in page.url


def test_card_leads_to_its_processes_and_the_count_follows(still: Server, open_page: OpenPage) -> None:
    page = live(open_page(still.url + "/?layout=cards&sort=pid&order=desc"))
    everything = len(cells(page, "PID"))
    page.get_by_role("article").nth(1).get_by_role("link", name="1 process").click()
    expect(page.get_by_role("searchbox")).to_have_value("gpu:1")
    assert set(cells(page, "GPU")) == {"1"}  # not 10 to 15
    expect(page.locator(".panel-head small").first).to_have_text(re.compile(rf"^1 of {everything} on \d+ GPUs"))
    expect(page).to_have_url(re.compile(r"layout=cards&sort=pid&order=desc&filter=gpu%3A1"))
    expect(page.get_by_role("heading", name="Processes")).to_be_in_viewport()


def test_total_of_a_user_shows_that_users_processes_and_then_all(still: Server, open_page: OpenPage) -> None:
    page = live(open_page(still.url))
    everything = cells(page, "PID")
    total = page.locator(".users").get_by_role("link", name=re.compile(r"^mira · \d+ GPUs · [\d.]+\sGiB$"))
    total.click()
    assert set(cells(page, "User")) == {"mira"}
    total.click()
    assert cells(page, "PID") == everything


def test_filter_shows_the_same_with_and_without_script(still: Server, open_page: OpenPage) -> None:
    scripted, plain = open_page("about:blank"), open_page("about:blank", java_script_enabled=False)
    for query in ("gpu:3", "user:MIRA gpu:1", "user:mir", "gpu:7.1", "pid:4", 'user:"mira" train'):
        address = f"{still.url}/?filter={quote(query)}"
        scripted.goto(address)
        plain.goto(address)
        assert cells(plain, "PID") == cells(live(scripted), "PID"), query


def test_filter_from_the_address_can_be_cleared(still: Server, open_page: OpenPage) -> None:
    page = live(open_page(still.url + "/?filter=oskar"))
    assert set(cells(page, "User")) == {"oskar"}
    page.get_by_role("searchbox").fill("")
    assert len(cells(page, "PID")) == len(cells(live(open_page(still.url)), "PID"))


def test_tiles_and_cards_keep_sort_and_filter(still: Server, open_page: OpenPage) -> None:
    page = live(open_page(still.url))
    page.get_by_role("columnheader", name="User").get_by_role("link").click()
    page.get_by_role("searchbox").fill("mira")
    page.get_by_role("link", name="Cards").click()
    live(page)
    expect(page.get_by_role("article")).to_have_count(16)
    expect(page.get_by_role("searchbox")).to_have_value("mira")
    expect(page.get_by_role("columnheader", name="User")).to_have_attribute("aria-sort", "ascending")


def test_rows_keep_their_order_while_values_change(
    fresh_host: Server, load: Callable[..., None], open_page: OpenPage
) -> None:
    page = live(open_page(fresh_host.url))
    before = cells(page, "PID")
    for sm in ((30, 20, 10), (5, 50, 15)):
        load(*sm)
        expect(page.locator("#processes tbody tr").first).to_contain_text(re.compile(rf"{sm[0]}\s%"))
        assert cells(page, "PID") == before


def test_rows_sorted_by_a_value_follow_it(
    fresh_host: Server, load: Callable[..., None], open_page: OpenPage, pids: list[int]
) -> None:
    page = live(open_page(fresh_host.url + "/?sort=sm&order=desc"))
    first = page.locator("#processes tbody td:last-child").first
    expect(first).to_have_text(str(pids[2]))
    load(90, 20, 30)
    expect(first).to_have_text(str(pids[0]))


@pytest.mark.parametrize("by", ["the pointer", "the focus", "a selection"])
def test_rows_do_not_move_under_the_pointer_the_focus_or_a_selection(
    fresh_host: Server, load: Callable[..., None], open_page: OpenPage, pids: list[int], by: str
) -> None:
    page = live(open_page(fresh_host.url + "/?sort=sm&order=desc"))
    row = page.locator("#processes tbody tr").first
    first = row.locator("td").last
    expect(first).to_have_text(str(pids[2]))
    if by == "the pointer":
        row.hover()
    elif by == "the focus":
        page.evaluate("(row => { row.tabIndex = -1; row.focus(); })(document.querySelector('#processes tbody tr'))")
    else:
        page.evaluate("getSelection().selectAllChildren(document.querySelector('#processes tbody td'))")
    load(90, 80, 30)
    changed = page.locator(f"[id='p0-{pids[0]}-']")
    expect(changed).to_contain_text(re.compile(r"90\s%"))
    page.evaluate("window.heard = 0; document.addEventListener('gpumon:message', () => { heard += 1; })")
    until(page, "heard >= 5")
    assert first.inner_text() == str(pids[2])
    page.mouse.move(1, 1)
    page.evaluate("document.activeElement.blur(); getSelection().removeAllRanges()")
    expect(page.locator("#processes tbody td:last-child").first).to_have_text(str(pids[0]))


def test_focus_and_selection_survive_50_updates(
    fresh_host: Server, load: Callable[..., None], open_page: OpenPage, pids: list[int]
) -> None:
    page = live(open_page(fresh_host.url))
    box = page.get_by_role("searchbox")
    box.focus()
    page.evaluate(
        """() => {
          window.heard = 0;
          document.addEventListener("gpumon:message", () => { heard += 1; });
          const cell = document.querySelector("#processes tbody .command").firstChild;
          const { length } = cell.data;
          getSelection().setBaseAndExtent(cell, 2, cell, length - 1);
          window.selected = String(getSelection());
        }"""
    )
    chosen = page.evaluate("String(getSelection())")
    assert "alpha"[:-1] in chosen
    box.evaluate("(element) => element.focus({ preventScroll: true })")
    for step in range(50):
        load(step, 99 - step, 50)
        until(page, f"heard >= {step + 1}")
    assert page.evaluate("document.activeElement.matches('[type=search]')")
    assert page.evaluate("String(getSelection())") == chosen


def test_starting_or_ended_process_changes_only_its_own_row(
    fresh_host: Server, load: Callable[..., None], open_page: OpenPage, pids: list[int]
) -> None:
    page = live(open_page(fresh_host.url))
    page.evaluate("window.rows = [...document.querySelectorAll('#processes tbody tr')]")
    load(10, None, 30)
    expect(page.locator("#processes tbody tr")).to_have_count(2)
    kept = "[rows[0], rows[2]].every((row, at) => row === document.querySelectorAll('#processes tbody tr')[at])"
    assert page.evaluate(kept)
    load(10, 20, 30)
    expect(page.locator("#processes tbody tr")).to_have_count(3)
    assert page.evaluate("rows[0].isConnected && rows[2].isConnected && !rows[1].isConnected")
    assert sorted(cells(page, "PID")) == sorted(map(str, pids))


def test_new_process_outside_the_filter_is_not_shown(
    fresh_host: Server, load: Callable[..., None], open_page: OpenPage, pids: list[int]
) -> None:
    load(10, None, 30)
    page = live(open_page(fresh_host.url + "/?filter=gamma"))
    expect(page.locator("#processes tbody tr")).to_have_count(2)
    load(10, 20, 30)
    expect(page.locator("#processes tbody tr")).to_have_count(3)
    assert cells(page, "PID") == [str(pids[2])]
