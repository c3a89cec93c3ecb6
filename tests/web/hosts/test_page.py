"""The page of all hosts: groups, sums, sorting, states, and that every live value has its place."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from django.urls import set_script_prefix

from monitor.live.elements import Outlines
from monitor.live.frames import as_html
from monitor.live.pieces import Pieces, Value
from monitor.web.hosts import rows
from monitor.web.hosts.facts import HostFacts
from monitor.web.hosts.page import Board, HostsPage
from monitor.web.hosts.wanted import Wanted, wanted_of_page
from tests.support.snapshots import alert, gpu, host
from tests.web.hosts.facts import facts

BUSY = gpu(0, use="busy")
FREE = gpu(1, use="free", utilization_percent=0.0, power_watts=50.0)
DGX = facts("dgx", BUSY, gpu(1, use="held"), tags=("train", "rack-1"), alerts=(alert(gpu_uuid="GPU-0"),))
LAB = facts("lab", BUSY, FREE, tags=("lab",))
DOWN = facts("down", BUSY, tags=("train",), stale=True, is_connected=False, age_seconds=720.0, stale_reason="Silent.")
STALE = facts("stale", FREE, stale=True, age_seconds=3.0, reading_age_seconds=20.0)
HOSTS = (DGX, LAB, DOWN, STALE)
FRAME = '<i id="source"><i id="hosts-count"><i id="alerts-link"><i id="alerts-count">'


def page(hosts: Sequence[HostFacts] = HOSTS, **query: str) -> HostsPage:
    return HostsPage(Board(hosts, now=1000.0), Wanted.of(query), host(alerts=DGX.alerts))


def values(pieces: Pieces) -> dict[str, str]:
    return {value.name: value.text for value in pieces.values}


def names(shown: HostsPage) -> list[tuple[str, list[str]]]:
    return [(group.name, [row.name for row in group.rows]) for group in shown.groups]


def test_hosts_are_grouped_by_their_first_tag_and_those_without_come_last() -> None:
    shown = page()
    assert names(shown) == [("lab", ["lab"]), ("train", ["dgx", "down"]), ("no tag", ["stale"])]
    assert [group.sum.words.text for group in shown.groups][1] == "2 hosts · 3 GPUs · 0 free · 0.70\u2009kW"
    assert names(page(group="model"))[-1] == ("H100 80GB HBM3", ["dgx", "down", "lab", "stale"])
    assert names(page(group="none")) == [("", ["dgx", "down", "lab", "stale"])]


def test_sorting_puts_unknown_values_last_in_both_directions() -> None:
    assert names(page(group="none", sort="free")) == [("", ["dgx", "lab", "down", "stale"])]
    assert names(page(group="none", sort="free", order="desc")) == [("", ["lab", "dgx", "down", "stale"])]
    assert names(page(group="none", sort="state"))[0][1][0] == "down"


def test_totals_cover_hosts_with_current_readings_and_count_the_others_as_without_data() -> None:
    shown = values(page().pieces)
    assert (shown["t-f"], shown["t-fo"], shown["t-fm"]) == ("1", "on 1 host", "most on lab, 1")
    assert (shown["t-g"], shown["t-gr"]) == ("6", "4 reporting, 2 without data")
    assert (shown["t-u"], shown["t-p"]) == ("38", "1.10")
    assert {name: count for name, count in shown.items() if name.startswith("l-")} == {
        "l-busy": "2", "l-held": "1", "l-free": "1", "l-mig": "0", "l-asleep": "0", "l-lost": "0", "l-unknown": "2",
    }  # fmt: skip
    nothing = values(page([DOWN]).pieces)
    assert (nothing["t-f"], nothing["t-u"], nothing["t-p"]) == ("—", "—", "—")


def test_down_and_stale_hosts_keep_their_place_and_show_nothing_as_current() -> None:
    shown = {value.name: value for value in page().pieces.values}
    assert [dict(shown[name].attributes)["data-state"] for name in ("h0", "h2", "h3")] == ["live", "down", "stale"]
    assert dict(shown["h2c0"].attributes)["data-use"] == "unknown"
    assert dict(shown["h3c0"].attributes)["data-use"] == "free", "as it was last"
    assert [shown[f"h{place}-f"].text for place in range(4)] == ["0", "1", "—", "—"]
    assert shown["h2-u"].attributes == (("data-unknown", ""), ("title", "Silent."))
    assert (shown["h2-g"].text, shown["h3-g"].text) == ("12\u2009min", "23\u2009s")
    assert page().title == "down down · gpumon"


def test_every_live_value_has_its_place_on_the_page() -> None:
    shown = page()
    html = "".join(part.draw() for part in shown.pieces.parts) + FRAME
    places = set(re.findall(r'\bid="([^"]+)"', html))
    outside = {value.name for value in shown.pieces.values if re.match(r"[tl]-", value.name)}
    assert {value.name for value in shown.pieces.values} - outside <= places


def test_without_current_readings_no_number_of_free_gpus_is_known() -> None:
    """A group of hosts that are all down had 0 free."""
    shown = page(filter="state:down")
    assert [group.sum.words.text for group in shown.groups] == ["1 host · 1 GPU · no current readings"]
    assert shown.shown.text == "1 of 4 hosts · no current readings"
    assert page(filter="no-such-host").shown.text == "0 of 4 hosts · 0 free GPUs"


def test_legend_counts_every_gpu() -> None:
    asleep = facts("asleep", gpu(0, state="asleep"), BUSY)
    shown = values(page([*HOSTS, asleep]).pieces)
    assert sum(int(count) for name, count in shown.items() if name.startswith("l-")) == int(shown["t-g"])


def test_values_of_hosts_that_the_filter_hides_are_not_sent() -> None:
    shown = page(filter="tag:lab")
    assert names(shown) == [("lab", ["lab"])]
    assert shown.shown.text == "1 of 4 hosts · 1 free GPU on 1 host"
    assert not {name for name in values(shown.pieces) if name.startswith(("h0", "h2", "h3"))}


def test_alert_is_drawn_at_its_gpu_and_counted() -> None:
    shown = {value.name: value for value in page().pieces.values}
    assert dict(shown["h0c0"].attributes)["data-alert"] == "critical"
    assert shown["h0-a"] == Value("h0-a", "1", (("data-level", "critical"),))


def test_texts_of_other_hosts_are_escaped() -> None:
    evil = '"><script>x</script>'
    hostile = facts(
        evil,
        gpu(0, name=evil),
        tags=(evil,),
        driver=evil,
        stale_reason=evil,
        stale=True,
        problem=evil,
        agent_version=evil,
    )
    shown = page([hostile, facts("b", tags=(evil,)), facts("c", tags=(evil,))])
    html = "".join(part.draw() for part in shown.pieces.parts)
    assert "<script>" not in html + as_html([], shown.pieces.values)


def test_template_of_a_row_is_rendered_once_and_its_values_are_those_of_the_tick(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ticks = [HOSTS, (facts("dgx", FREE, gpu(1, use="lost"), tags=("train", "rack-1"), problem="<b>"), *HOSTS[1:])]
    monkeypatch.setattr(rows, "_OUTLINES", Outlines(100))
    drawn = [page(hosts, group=group).table.draw() for hosts in ticks for group in ("tag", "none", "model")]
    with monkeypatch.context() as patched:
        patched.setattr(rows, "get_template", lambda name: pytest.fail(f"{name} is rendered again"))
        assert page(ticks[1]).table.draw() == drawn[3]
    for number, expected in enumerate(drawn):
        monkeypatch.setattr(rows, "_OUTLINES", Outlines(100))
        assert page(ticks[number // 3], group=("tag", "none", "model")[number % 3]).table.draw() == expected
    assert len(set(drawn)) == len(drawn)


def test_addresses_of_rows_begin_as_those_of_the_page() -> None:
    for prefix in ("/", "/gpumon/", "/"):
        set_script_prefix(prefix)
        assert f'<a href="{prefix}host/dgx/" title="dgx">dgx</a>' in page().table.draw()


def test_what_is_not_understood_has_no_effect_and_is_said() -> None:
    wanted = Wanted.of({"filter": "fre>1", "sort": "x", "group": "y", "order": "z"})
    assert (wanted.sort, wanted.group, len(wanted.filter.terms)) == ("host", "tag", 0)
    for told in ("'fre'", "sort is 'x'", "group is 'y'", "order is 'z'"):
        assert told in wanted.problem


def test_socket_asks_for_the_same_hosts_as_the_address() -> None:
    wanted = Wanted.of({"filter": 'tag:"a b" free>1', "group": "model", "sort": "free", "order": "desc"})
    again = wanted_of_page(wanted.page_name)
    assert again is not None
    assert again.page_name == wanted.page_name
    assert (again.text, again.group, again.sort, again.is_descending) == (wanted.text, "model", "free", True)
    assert wanted_of_page("cards") is None
    assert wanted_of_page("hosts?filter=" + "x" * 2000) is None
