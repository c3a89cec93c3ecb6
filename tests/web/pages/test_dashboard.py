"""The dashboard and a GPU's page at one snapshot: their content, and when they are redrawn."""

from __future__ import annotations

import re

import msgspec
import pytest
from django.template import Context, Template

from monitor.live.pieces import Part, Pieces, Value
from monitor.telemetry.schema import Bottleneck, Fan, MigInstance, NvLink, ProviderReport, Snapshot, System
from monitor.web.components.gpu_cards import Card
from monitor.web.components.gpu_tiles import Tile
from monitor.web.components.overview import title_of
from monitor.web.pages.dashboard import Dashboard, layout_of
from monitor.web.pages.gpu import GpuPage
from monitor.web.pages.registry import live_page_named
from tests.support.snapshots import GIB, gpu, host, process

pytestmark = pytest.mark.usefixtures("static_root")

SYSTEM = System(cpu_percent=23.0, cpu_core_percents=(0.0, 46.0), load_1m=14.2, memory_used_percent=31.0)


IN_THE_FRAME = '<i id="process-count"><i id="source"><i id="alerts-link"><i id="alerts-count"><i id="charts">'
"""Values outside the parts, in the page's own frame."""


def drawn(pieces: Pieces) -> str:
    return "".join(part.draw() for part in pieces.parts)


def keys(snapshot: Snapshot) -> dict[str, object]:
    return {part.name: part.key for part in Dashboard(snapshot, "cards").pieces.parts}


@pytest.mark.parametrize("layout", ["cards", "tiles"])
def test_every_live_value_has_its_place_on_the_dashboard(layout: str) -> None:
    snapshot = host(gpu(0, processes=(process(5),)), gpu(1), system=SYSTEM)
    page = Dashboard(snapshot, layout)  # type: ignore[arg-type]
    html = drawn(page.pieces) + IN_THE_FRAME
    places = re.findall(r'\bid="([^"]+)"', html)
    for value in page.pieces.values:
        assert value.name in places, value


def test_every_live_value_has_its_place_on_the_page_of_a_gpu() -> None:
    links = tuple(NvLink(link=number, is_active=number != 1, version=4) for number in range(2))
    instance = MigInstance(index=0, profile="3g.40gb", memory_total_bytes=40 * GIB, memory_used_bytes=GIB)
    snapshot = host(gpu(nvlinks=links, mig_instances=(instance,), processes=(process(5),)))
    pieces = GpuPage(snapshot, "GPU-0").pieces
    places = set(re.findall(r'\bid="([^"]+)"', drawn(pieces) + IN_THE_FRAME))
    assert {value.name for value in pieces.values} <= places


def test_page_of_a_gpu_names_the_other_end_of_each_nvlink() -> None:
    links = (
        NvLink(link=0, is_active=True, peer_type="gpu", peer_pci_bus_id="0000:1c:00.0"),
        NvLink(link=1, is_active=True, peer_type="gpu", peer_pci_bus_id="0000:ff:00.0"),
        NvLink(link=2, is_active=True, peer_type="switch"),
        NvLink(link=3, is_active=True),
    )
    page = GpuPage(host(gpu(0, nvlinks=links), gpu(1, pci_bus_id="0000:1c:00.0")), "GPU-0")
    assert [link.peer for link in page.links] == ["GPU 1", "another GPU", "NVSwitch", ""]


@pytest.mark.parametrize(
    ("facts", "shown"),
    [
        ({}, None),
        ({"fabric_state": "in progress"}, "in progress"),
        ({"fabric_state": "completed", "fabric_status": "success"}, "completed"),
        ({"fabric_state": "completed", "fabric_status": "timeout"}, "completed: timeout"),
    ],
)
def test_page_of_a_gpu_behind_nvswitches_states_its_registration_with_the_fabric(
    facts: dict[str, str], shown: str | None
) -> None:
    properties = {fact.title: fact.value.text for fact in GpuPage(host(gpu(**facts)), "GPU-0").properties}
    assert properties.get("NVLink fabric") == shown


def test_new_numbers_change_no_part() -> None:
    before = host(gpu(processes=(process(5),)), system=SYSTEM)
    after = host(
        gpu(utilization_percent=6.0, memory_used_bytes=1, processes=(process(5, cpu_percent=1.0),)),
        system=msgspec.structs.replace(SYSTEM, cpu_percent=24.0, load_1m=1.0),
    )
    assert keys(before) == keys(after)


def test_new_gpu_process_or_state_changes_only_its_own_parts() -> None:
    before = keys(host(gpu(0)))
    assert {name for name, key in keys(host(gpu(0), gpu(1))).items() if before.get(name) != key} == {
        "overview",
        "g1-chips",
    }
    assert {name for name, key in keys(host(gpu(0, processes=(process(1),)))).items() if before[name] != key} == {
        "process-rows"
    }
    lost = keys(host(gpu(0, state="lost", since=5.0)))
    assert {name for name, key in lost.items() if before[name] != key} == {"g0-chips"}


def test_part_comes_before_the_parts_in_it() -> None:
    names = [part.name for part in Dashboard(host(gpu(0), system=SYSTEM), "cards").pieces.parts]
    assert names.index("overview") < names.index("g0-chips")
    assert names.index("system-panel") < names.index("s-cores")


def test_many_gpus_are_shown_as_tiles_unless_cards_are_requested() -> None:
    many = host(*[gpu(index) for index in range(9)])
    assert layout_of(many, "") == "tiles"
    assert layout_of(many, "cards") == "cards"
    assert layout_of(host(gpu()), "") == "cards"
    assert layout_of(host(gpu()), "nonsense") == "cards"


def test_page_without_a_gpu_shows_each_providers_reason_and_fix() -> None:
    report = ProviderReport(name="pynvml", reason="The driver is missing.", fix="Install <it>.")
    html = drawn(Dashboard(host(provider=None, providers=(report,), sampled_at=None), "cards").pieces)
    assert "No GPU found on dgx" in html
    assert "The driver is missing." in html
    assert "Install &lt;it&gt;." in html


def test_simulated_and_stale_readings_are_marked() -> None:
    html = drawn(Dashboard(host(gpu(), is_simulated=True, provider="simulated"), "cards").pieces)
    assert "no real GPU is being read" in html
    html = drawn(Dashboard(host(gpu(), stale=True, stale_reason="The driver hangs."), "cards").pieces)
    assert "The driver hangs." in html


@pytest.mark.parametrize(
    ("snapshot", "title", "level"),
    [
        (host(gpu()), "dgx · gpumon", "ok"),
        (host(gpu(0), gpu(5, temperature_celsius=88.0)), "GPU 5 hot · dgx", "critical"),
        (host(gpu(0, state="lost"), gpu(1, state="lost")), "2 GPUs lost · dgx", "critical"),
        (host(gpu(), stale=True), "Stale · dgx", "critical"),
        (host(providers=(ProviderReport(name="nvtop", reason="no"),)), "No GPU · dgx", "warning"),
    ],
)
def test_title_starts_with_the_worst_problem(snapshot: Snapshot, title: str, level: str) -> None:
    assert title_of(snapshot) == (title, level)


def test_totals_count_busy_idle_held_and_free_gpus() -> None:
    held = gpu(1, utilization_percent=0.0, processes=(process(1),))
    page = Dashboard(host(gpu(0), held, gpu(2, utilization_percent=0.0)), "cards")
    assert page.totals.uses.text == "1 busy · 1 idle-held · 1 free"
    assert page.free.text == "1 free GPU"
    assert dict(page.free.attributes)["data-free"] == "1"


@pytest.mark.parametrize(
    ("snapshot", "label"),
    [
        (host(gpu(0)), "No free GPU"),
        (host(), "No free GPU"),
        (host(gpu(0, utilization_percent=0.0), gpu(1, utilization_percent=0.0), stale=True), "2 free GPUs"),
        (host(gpu(0, uuid="nvtop-0-amd", utilization_percent=0.0)), "1 free GPU"),
    ],
)
def test_button_says_how_many_gpus_are_free_and_whether_that_is_known(snapshot: Snapshot, label: str) -> None:
    free = Dashboard(snapshot, "cards").free
    attributes = dict(free.attributes)
    assert free.text == label
    assert attributes["data-free"] == ("" if snapshot.stale else label.split()[0].replace("No", "0"))
    assert ("stale" in attributes["title"]) == snapshot.stale


def test_card_and_page_of_a_gpu_say_what_slows_it_down() -> None:
    slow = Bottleneck(code="pcie", level="warning", text="PCIe ×8 of ×16: half the bandwidth")
    snapshot = host(gpu(0, bottleneck=slow), gpu(1, unavailable={"bottleneck": "the GPU is not read now"}))
    known, unknown = (card.bottleneck for card in Dashboard(snapshot, "cards").gpus)  # type: ignore[union-attr]
    assert (known.text, dict(known.attributes)) == (slow.text, {"data-level": "warning"})
    assert (unknown.text, dict(unknown.attributes)["title"]) == ("—", "the GPU is not read now")
    assert slow.text in drawn(Dashboard(snapshot, "cards").pieces)
    assert slow.text in drawn(GpuPage(snapshot, "GPU-0").pieces)


def test_gpu_without_any_reading_is_shown_without_data_and_is_not_free() -> None:
    """A broken GPU, whose every reading was "ERR!", was offered as free."""
    silent = gpu(
        0,
        utilization_percent=None,
        memory_used_bytes=0,
        temperature_celsius=None,
        power_watts=None,
        sm_clock_mhz=None,
        unavailable={"utilization_percent": 'nvidia-smi says "ERR!"'},
    )
    cards, tiles = Dashboard(host(silent, gpu(1)), "cards"), Dashboard(host(silent, gpu(1)), "tiles")
    assert cards.totals.uses.text == "1 busy · 1 unknown"
    assert cards.free.text == "No free GPU"
    (card, _), (tile, _) = cards.gpus, tiles.gpus
    assert isinstance(card, Card)
    assert isinstance(tile, Tile)
    assert "No data" in card.chips.draw()
    assert "ERR!" in card.chips.draw()
    assert tile.word.text == "no data"
    assert "ERR!" in dict(tile.word.attributes)["title"]


def test_removed_gpu_empties_its_page_and_the_page_says_so() -> None:
    pieces = GpuPage(host(gpu(1)), "GPU-0").pieces
    assert "no longer on dgx" in drawn(pieces)


def test_sockets_know_only_the_pages_by_name() -> None:
    assert [page.name for name in ("cards", "tiles", "gpu:GPU-0", "") if (page := live_page_named(name))] == [
        "cards", "tiles", "gpu:GPU-0", "cards",
    ]  # fmt: skip
    assert [live_page_named(name) for name in ("other", "gpu:", "gpu:" + "x" * 200)] == [None, None, None]


def test_element_is_rendered_with_its_name_and_escaped() -> None:
    template = Template('{% load live %}{% live "b" value class="x" aria_label=label title=None %}')
    html = template.render(
        Context({"label": "A & B", "value": Value("u", "<i>", (("data-unknown", ""), ("data-level", "")))})
    )
    assert html == '<b id="u" class="x" aria-label="A &amp; B" data-unknown="">&lt;i&gt;</b>'
    part = Template('{% load live %}{% live "div" part %}').render(
        Context({"part": Part("p", "k", lambda: "<i>x</i>")})
    )
    assert re.fullmatch(r'<div id="p" data-key="[0-9a-f]{8}"><i>x</i></div>', part)


def test_text_between_backticks_is_code_and_stays_escaped() -> None:
    template = Template("{% load words %}{{ text|code }}")
    assert (
        template.render(Context({"text": "start `<b>` with `x`"})) == "start <code>&lt;b&gt;</code> with <code>x</code>"
    )


@pytest.mark.parametrize(
    ("snapshot", "title", "level"),
    [
        (host(gpu()), "GPU 0 · dgx", "ok"),
        (host(gpu(temperature_celsius=88.0)), "GPU 0 hot · dgx", "critical"),
        (host(gpu(state="lost")), "GPU 0 lost · dgx", "critical"),
        (host(gpu(temperature_celsius=88.0), stale=True), "Stale · GPU 0 · dgx", "critical"),
        (host(gpu(1)), "GPU removed · dgx", "ok"),
    ],
)
def test_title_of_a_gpu_page_starts_with_its_problem(snapshot: Snapshot, title: str, level: str) -> None:
    """The tab once showed stale readings of a healthy GPU as fine."""
    pieces = GpuPage(snapshot, "GPU-0").pieces
    assert (pieces.title, pieces.level) == (title, level)


@pytest.mark.parametrize(
    ("fans", "text"), [((Fan(speed_rpm=1061.0),), "1061 RPM"), ((Fan(speed_percent=42.0),), "42 %")]
)
def test_fans_are_shown_with_their_unit(fans: tuple[Fan, ...], text: str) -> None:
    values = {value.name: value.text for value in GpuPage(host(gpu(fans=fans)), "GPU-0").pieces.values}
    assert values["f-fans"] == text.replace(" ", "\u2009")
