"""Parts drawn from outlines: as if their templates were rendered for each snapshot."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import msgspec
import pytest
from django.template.loader import get_template
from django.urls import set_script_prefix

from monitor.live.elements import Outline, Outlines
from monitor.telemetry.schema import Snapshot
from monitor.web.components.process_table import Sorting
from monitor.web.pages.dashboard import Dashboard, Layout
from tests.support.snapshots import alert, gpu, host, process

pytestmark = pytest.mark.usefixtures("static_root")

BUSY = gpu(0, processes=(process(7, user="mira", sm_utilization_percent=10), process(8, command='<b> & "c"')))
FREE = gpu(1, utilization_percent=0.0, power_watts=100.0, processes=())
CHANGED = msgspec.structs.replace(
    BUSY,
    utilization_percent=None,
    temperature_celsius=99.0,
    power_watts=11.5,
    unavailable={"utilization_percent": 'not "reported" <here>'},
    processes=tuple(
        msgspec.structs.replace(each, memory_used_bytes=None, cpu_percent=55.5) for each in BUSY.processes or ()
    ),
)
SNAPSHOTS = (
    host(BUSY, FREE),
    host(CHANGED, FREE),
    host(BUSY, FREE, alerts=(alert(),), system=None),
    host(BUSY, msgspec.structs.replace(FREE, state="lost")),
    host(BUSY, FREE, host="another"),
    host(FREE, BUSY),
    host(BUSY, msgspec.structs.replace(FREE, processes=(process(9, user="<u>"),))),
    host(),
    host(BUSY, FREE),
)


SORTINGS = (Sorting(), Sorting("memory", is_descending=True), Sorting(filter="mira"))


def drawn(snapshot: Snapshot, layout: Layout, sorting: Sorting, name: str) -> list[str]:
    """The parts with outlines."""
    page = Dashboard(snapshot, layout, sorting, host=name)
    return [part.draw() for part in (page.overview, page.processes.rows, page.processes.users, page.system)]


def without_memory(_kept: Outlines, _key: Hashable, render: Callable[[Outline], str]) -> Outline:
    outline = Outline()
    outline.close(render(outline))
    return outline


@pytest.mark.parametrize("layout", ["cards", "tiles"])
def test_outline_of_another_snapshot_serves_only_where_its_template_would_show_the_same(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = [(each, layout, sorting, name) for each in SNAPSHOTS for sorting in SORTINGS for name in ("", "node 1")]
    kept = [drawn(*page) for page in pages]
    monkeypatch.setattr(Outlines, "outline", without_memory)
    assert kept == [drawn(*page) for page in pages]


@pytest.mark.parametrize("layout", ["cards", "tiles"])
@pytest.mark.parametrize("snapshot", SNAPSHOTS)
def test_filled_outline_is_what_its_template_renders_at_once(snapshot: Snapshot, layout: Layout) -> None:
    page = Dashboard(snapshot, layout)
    rendered = get_template("monitor/fragments/overview.html").render({"page": page}).strip()
    assert page.overview.draw() == rendered


def test_process_listed_twice_shows_both_of_its_readings() -> None:
    twins = (process(7, memory_used_bytes=5 << 30), process(7, memory_used_bytes=7 << 30))
    html = Dashboard(host(gpu(0, processes=twins)), "cards").processes.rows.draw()
    assert "5.0\u2009GiB" in html
    assert "7.0\u2009GiB" in html


def test_addresses_begin_as_the_pages_own() -> None:
    for prefix in ("/", "/gpumon/", "/"):
        set_script_prefix(prefix)
        assert f'href="{prefix}gpu/' in Dashboard(host(BUSY), "cards").overview.draw()


def test_only_the_outlines_used_last_are_kept() -> None:
    rendered: list[Hashable] = []
    kept = Outlines(2)
    for key in ("a", "b", "a", "c", "a", "b"):
        kept.outline(key, lambda _outline, key=key: rendered.append(key) or "")
    assert rendered == ["a", "b", "c", "b"]
