"""The words that pages use for open alerts."""

from __future__ import annotations

import json
import re

import pytest

from monitor.telemetry.schema import Alert, Snapshot
from monitor.web.components.live_pieces import LivePieces
from monitor.web.components.open_alerts import (
    by_gpu,
    count_by_severity,
    counted_in_words,
    in_a_few_words,
    open_alerts_part,
    periods_of,
)
from monitor.web.components.overview import title_of
from monitor.web.pages.gpu import GpuPage
from tests.support.snapshots import alert, gpu, host

WARNING = {"severity": "warning", "rule": "Memory nearly full", "metric": "gpu.memory_used_percent"}
QUIET = {"acknowledged_at": 990.0, "acknowledged_by": "ana"}


def test_alerts_are_counted_by_severity_with_the_acknowledged_ones() -> None:
    alerts = [alert(1), alert(2, **WARNING), alert(3, **WARNING, **QUIET)]
    assert count_by_severity(alerts) == {"info": 0, "warning": 2, "critical": 1}
    assert counted_in_words(alerts) == "1 critical, 2 warnings, 1 of them acknowledged"
    assert counted_in_words(alerts[2:]) == "1 warning, acknowledged"
    assert counted_in_words([]) == ""


def test_alerts_of_the_whole_host_belong_to_no_gpu() -> None:
    alerts = [alert(1), alert(2), alert(3, gpu_uuid=None, gpu_index=None)]
    assert {uuid: len(of_gpu) for uuid, of_gpu in by_gpu(host(alerts=tuple(alerts))).items()} == {"GPU-5": 2}


@pytest.mark.parametrize(
    ("changes", "state", "words"),
    [
        ({}, "ok", "GPU 5 hot"),
        ({}, "lost", "GPU 5 lost"),
        ({"metric": "gpu.temperature_celsius", "value": 3.0, "threshold": 10.0, "rule": "Cold"}, "ok", "GPU 5: Cold"),
        (WARNING, "ok", "GPU 5: Memory nearly full"),
        ({"is_clearing": True}, "ok", "GPU 5 clearing"),
        ({"gpu_uuid": None, "gpu_index": None, "metric": None, "rule": "Stale readings"}, "ok", "Stale readings"),
    ],
)
def test_title_has_a_few_words_for_an_alert(changes: dict[str, object], state: str, words: str) -> None:
    assert in_a_few_words(alert(**changes), host(gpu(5, state=state))) == words


def test_alert_of_another_host_is_shown_with_its_name_and_its_value_there() -> None:
    elsewhere = alert(host="gpu07", host_id="ab" * 16)
    here = host(gpu(5, temperature_celsius=33), alerts=(elsewhere, alert(2, gpu_index=3, gpu_uuid="GPU-3")))
    assert in_a_few_words(elsewhere, here) == "gpu07: GPU 5 hot"
    live = LivePieces()
    html = open_alerts_part(here, live).draw()
    assert [*re.findall(r"· on (\S+)", html)] == ["gpu07", "dgx"]
    assert not any(value.text.startswith("now") and value.name.startswith("now-") for value in live.values)
    live, there = LivePieces(), host(gpu(5, temperature_celsius=91), host="gpu07", host_id="ab" * 16)
    open_alerts_part(here, live, host_of=lambda alert: there if alert.host_id else None)
    texts = [value.text.partition(",")[0] for value in live.values if value.name.startswith("now-")]
    assert texts[0] == "now 91\u2009°C"


@pytest.mark.parametrize(
    ("snapshot", "title", "level"),
    [
        (host(gpu(5), alerts=(alert(),)), "GPU 5 hot · dgx", "critical"),
        (host(gpu(5), alerts=(alert(**WARNING),)), "GPU 5: Memory nearly full · dgx", "warning"),
        (host(gpu(5, state="lost"), alerts=(alert(gpu_index=1, gpu_uuid="GPU-1"),)), "GPU 1 hot · dgx", "critical"),
        (host(gpu(5, state="lost"), alerts=(alert(gpu_index=1, **WARNING),)), "GPU 5 lost · dgx", "critical"),
        (host(gpu(5), stale=True, alerts=(alert(),)), "Stale · dgx", "critical"),
        (host(gpu(5), alerts=(alert(**QUIET),)), "dgx · gpumon", "ok"),
        (host(gpu(5), alerts=(alert(severity="info"),)), "dgx · gpumon", "ok"),
    ],
)
def test_title_starts_with_the_worst_unacknowledged_alert(snapshot: Snapshot, title: str, level: str) -> None:
    assert title_of(snapshot) == (title, level)


def test_title_of_a_gpu_page_starts_with_its_own_alerts_only() -> None:
    snapshot = host(gpu(0), gpu(5), alerts=(alert(**WARNING),))
    pages = [GpuPage(snapshot, f"GPU-{index}").pieces for index in (0, 5)]
    assert [(page.title, page.level) for page in pages] == [
        ("GPU 0 · dgx", "ok"),
        ("GPU 5: Memory nearly full · dgx", "warning"),
    ]


def test_charts_get_the_start_of_each_alert() -> None:
    assert json.loads(periods_of([alert(7)])) == [
        ["00000000-0000-4000-8000-000000000007", 928.0, "critical", "gpu.temperature_celsius"]
    ]
    assert periods_of([]) == ""


def test_text_from_outside_is_escaped_in_the_list() -> None:
    evil = "<img src=x onerror=alert(1)>"
    html = open_alerts_part(host(gpu(5), alerts=(alert(detail=evil, summary=evil, rule=evil),)), LivePieces()).draw()
    assert "<img" not in html
    assert html.count("&lt;img") == 3  # in the summary, the rule and the detail


def test_row_says_what_is_the_case_now_and_how_often_it_flapped() -> None:
    """The alert stays open while the GPU cools down: its words must not claim that it is still hot."""

    def row(temperature: float, **changes: object) -> str:
        live = LivePieces()
        shown = host(gpu(5, temperature_celsius=temperature), alerts=(alert(**changes),))
        html = open_alerts_part(shown, live).draw()
        return " ".join(re.sub(r"<[^>]+>", " ", html).replace("\u2009", " ").split())

    assert "now 88 °C, for 1 min 10 s · fired 00:15:30 UTC" in row(88)
    assert "now 67 °C, clearing · fired" in row(67, is_clearing=True)
    assert "×12 in the last hour" in row(88, times_in_last_hour=12)
    assert "×" not in row(88)


def test_list_is_redrawn_when_an_alert_opens_resolves_or_is_acknowledged_and_not_as_time_passes() -> None:
    def key(*alerts: Alert, time: float = 1000.0) -> object:
        return open_alerts_part(host(gpu(5), alerts=alerts, time=time), LivePieces()).key

    assert key(alert()) == key(alert(), time=1001.0)
    assert len({key(), key(alert()), key(alert(), alert(2)), key(alert(**QUIET))}) == 4
