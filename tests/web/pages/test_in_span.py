"""What happened in a span: the list below the charts, and the periods that charts shade."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.db.models.query import QuerySet

from monitor.models import HistoryGap, HistorySource
from monitor.web.pages import in_span as module
from monitor.web.pages.in_span import MOST_ALERTS, RECENT, InSpan, in_span
from monitor.web.span import Span
from tests.web.alert_rows import NOON, event

pytestmark = pytest.mark.django_db

HOUR = Span(NOON.timestamp() - 3600, NOON.timestamp(), None)
NAMES = {"GPU-5": "GPU 5", "host": "Host"}


def shown(span: Span = HOUR, **given: Any) -> InSpan:
    found = in_span(span, NAMES, **{"has_details": True, **given})
    assert found is not None
    return found


def test_alerts_that_overlap_the_span_are_listed_newest_first() -> None:
    event(0.5, started_at=NOON + timedelta(minutes=1))  # starts later
    event(70)  # resolved before
    at_the_start, inside = event(61), event(30, pid=7)
    open_now = event(200, state="firing", pid=8)
    found = shown()
    assert [past.event for past in found.alerts] == [inside, at_the_start, open_now]
    assert (found.recent, found.is_cut) == ([], False)


def test_only_the_alerts_of_the_gpu_are_listed() -> None:
    own = event(30)
    event(30, gpu_uuid="GPU-1")
    assert [past.event for past in shown(gpu="GPU-5").alerts] == [own]
    assert len(shown().alerts) == 2


def test_page_of_a_gpu_lists_its_open_alerts_itself_but_shades_them() -> None:
    firing = event(10, state="firing")
    found = shown(gpu="GPU-5")
    assert (found.alerts, found.recent) == ([], [])
    assert [period[0] for period in json.loads(found.periods)] == [str(firing.id)]
    assert [past.event for past in shown().alerts] == [firing]


def test_without_alerts_in_the_span_the_last_resolved_ones_are_listed() -> None:
    for number in range(8):
        event(600 + number, pid=number)
    event(600, gpu_uuid="GPU-1")
    found = shown(gpu="GPU-5")
    assert (found.alerts, found.periods) == ([], "[]")
    assert [past.event.pid for past in found.recent] == list(range(RECENT))
    assert shown().recent == []
    inside = event(30)
    found = shown(gpu="GPU-5")
    assert ([past.event for past in found.alerts], found.recent) == ([inside], [])


def test_charts_shade_every_time_of_a_repeated_alert_with_a_link_and_few_words() -> None:
    times = [event(minutes, worst_value=99.0) for minutes in (50, 40, 30)]
    firing = event(20, state="firing", gpu_uuid="", rule_name="Disk full", metric="", value=None, worst_value=None)
    found = shown()
    assert len(found.alerts) == 2
    periods = json.loads(found.periods)
    assert [period[0] for period in periods] == [str(each.id) for each in (firing, *reversed(times))]
    assert periods[0][1:] == [
        firing.started_at.timestamp(),
        None,
        "warning",
        "",
        "",
        f"/alerts/{firing.id}",
        "Disk full",
    ]
    last = times[-1]
    assert last.resolved_at is not None
    assert periods[1][1:] == [
        last.started_at.timestamp(), last.resolved_at.timestamp(), "warning", "gpu.memory_used_percent", "GPU-5",
        f"/alerts/{last.id}", "99\u2009%, 2\u2009min",
    ]  # fmt: skip


def test_long_list_is_cut_and_says_so() -> None:
    for number in range(MOST_ALERTS + 1):
        event(number / 60, pid=number)
    found = shown()
    assert found.is_cut
    assert len(json.loads(found.periods)) == MOST_ALERTS


def test_gaps_are_listed_with_their_length_reason_and_whose_they_are() -> None:
    start = int(HOUR.start)
    own, other = (
        HistorySource.objects.create(key=key, kind="gpu", index=5, name="H100", first_at=0, last_at=0)
        for key in ("GPU-5", "GPU-1")
    )
    HistoryGap.objects.create(start=start - 60, end=start + 1080, reason="driver_hung", text="no answer for 30 s")
    HistoryGap.objects.create(source=own, start=start + 1200, end=start + 1260, reason="lost")
    HistoryGap.objects.create(source=other, start=start + 1200, end=start + 1260, reason="lost")
    HistoryGap.objects.create(start=start - 90, end=start, reason="not_running")
    assert [(row.why, row.who, row.lasted) for row in shown().gaps or []] == [
        ("the GPU was lost", "GPU 5", "1\u2009min 0\u2009s"),
        ("no answer for 30 s", "", "19\u2009min 0\u2009s"),
    ]


def test_unreachable_database_shows_nothing_and_logs_why(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(QuerySet, "_fetch_all", _locked)
    assert in_span(HOUR, NAMES, has_details=True) is None
    assert "cannot read the alerts of a span: database is locked" in caplog.text


def test_unreachable_history_costs_only_the_gaps(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    inside = event(30)
    monkeypatch.setattr(module, "_gap_row", _locked)
    HistoryGap.objects.create(start=int(HOUR.start), end=int(HOUR.end), reason="lost")
    found = shown()
    assert ([past.event for past in found.alerts], found.gaps) == ([inside], None)
    assert "cannot read the gaps of a span: database is locked" in caplog.text


def _locked(*_: Any) -> None:
    raise OperationalError("database is locked")
