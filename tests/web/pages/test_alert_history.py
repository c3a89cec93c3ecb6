"""The alert history from the database: filters, days, pages, and a database that does not answer."""

from __future__ import annotations

from datetime import date
from itertools import groupby
from typing import Any
from urllib.parse import parse_qsl

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError
from django.db.models.query import QuerySet

from monitor.models import AlertEvent
from monitor.web.pages import alert_history
from monitor.web.pages.alert_history import PAGE_SIZE, History, PastAlert, Wanted, history
from tests.web.alert_rows import NOON, event

pytestmark = pytest.mark.django_db


def asked(**query: str) -> History:
    found = history(Wanted.of(query), has_details=True, open_now=())
    assert found is not None
    return found


def summaries(found: History) -> list[str]:
    return [past.event.summary for day in found.days for past in day.alerts]


def test_history_is_grouped_by_day_newest_first_with_counts() -> None:
    event(10, summary="a")
    event(20, summary="b", gpu_uuid="GPU-1")
    event(13 * 60, summary="c")  # the day before
    found = asked()
    assert [(day.day, day.total) for day in found.days] == [(date(2026, 3, 14), 2), (date(2026, 3, 13), 1)]
    assert summaries(found) == ["a", "b", "c"]
    assert found.older == ""


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"severity": "critical"}, ["hot"]),
        ({"state": "firing"}, ["hot"]),
        ({"state": "resolved"}, ["full", "stale"]),
        ({"rule": "Stale readings"}, ["stale"]),
        ({"gpu": "GPU-1"}, ["hot"]),
        ({"acknowledged": "yes"}, ["stale"]),
        ({"acknowledged": "no"}, ["full", "hot"]),
        ({"day": "2026-03-13"}, ["stale"]),
        ({"q": "NIGHTLY"}, ["stale"]),
        ({"q": "ana holds"}, ["full"]),
        ({"q": "ana hot"}, []),
        ({"rule": "\0", "gpu": "\0", "q": "\0"}, ["full", "hot", "stale"]),
        ({"severity": "terrible", "state": "odd", "acknowledged": "?", "day": "soon"}, ["full", "hot", "stale"]),
        ({"day": "0001-01-01"}, []),
        ({"day": "9999-12-31"}, ["full", "hot", "stale"]),
    ],
)
def test_history_is_filtered_by_the_address(query: dict[str, str], expected: list[str]) -> None:
    event(1, summary="full", detail="python of ana holds 79 GiB")
    event(2, summary="hot", severity="critical", state="firing", gpu_uuid="GPU-1", gpu_index=1)
    event(
        900, summary="stale", rule_name="Stale readings", acknowledged_at=NOON, note="The nightly update",
        gpu_uuid="", gpu_index=None,
    )  # fmt: skip
    assert summaries(asked(**query)) == expected


def test_filters_offer_the_rules_and_gpus_of_past_alerts() -> None:
    event(1)
    event(2, gpu_uuid="GPU-1", gpu_index=1, gpu_name="", rule_name="Hot")
    event(3, gpu_uuid="", gpu_index=None)
    found = asked()
    assert found.rules == ["Hot", "Memory nearly full"]
    assert [tuple(each) for each in found.gpus] == [("GPU-1", "GPU 1"), ("GPU-5", "GPU 5 · NVIDIA H100")]


def test_pages_have_no_gap_and_no_duplicate_even_among_events_of_one_moment() -> None:
    for number in range(2 * PAGE_SIZE + 5):
        event(number // 60, summary=str(number), state="firing")  # 60 in one moment
    query: dict[str, str] = {"state": "firing"}
    seen: list[str] = []
    sizes = []
    while True:
        found = asked(**query)
        seen += summaries(found)
        sizes.append(len(summaries(found)))
        assert [day.total for day in found.days] == [2 * PAGE_SIZE + 5]  # the total of the day, not of the page
        if not found.older:
            break
        query = dict(parse_qsl(found.older))
        assert query["state"] == "firing"
    assert sizes == [PAGE_SIZE, PAGE_SIZE, 5]
    assert sorted(map(int, seen)) == list(range(2 * PAGE_SIZE + 5))


def test_history_says_when_the_latest_changes_are_not_written_yet() -> None:
    firing, over = str(event(1, state="firing").id), str(event(2).id)

    def is_behind(*open_now: str) -> bool:
        found = history(Wanted(), has_details=True, open_now=open_now)
        assert found is not None
        return found.is_behind

    assert not is_behind(firing)
    assert is_behind()
    assert is_behind(firing, over)


def test_alert_that_resolves_while_the_page_is_read_is_still_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    event(1, state="firing")

    def end(*given: Any) -> Any:
        AlertEvent.objects.update(state="resolved")
        return groupby(*given)

    monkeypatch.setattr(alert_history, "groupby", end)
    (day,) = asked(state="firing").days
    assert (day.total, len(day.alerts)) == (1, 1)


@pytest.mark.parametrize("before", ["", "x", "1", "9" * 30, "-9999999999999999_", "1_'; --", "1_%00"])
def test_invalid_page_still_shows_the_history(before: str) -> None:
    event(1)
    assert history(Wanted.of({"before": before}), has_details=True, open_now=()) is not None


def test_row_shows_values_duration_and_who_acknowledged() -> None:
    ana = User.objects.create_user("ana")
    event(1, acknowledged_at=NOON, acknowledged_by=ana)
    past = asked().days[0].alerts[0]
    assert (past.value, past.worst) == ("96\u2009%", "99\u2009%")
    assert past.lasted == "2\u2009min 0\u2009s"  # from firing, as everywhere
    assert past.acknowledged_by == "ana"


def test_flapping_alert_stands_once_with_its_times() -> None:
    for minutes in (0, 5, 40, 59):
        event(minutes, summary=f"at {minutes}")
    event(10, summary="another GPU", gpu_uuid="GPU-1")
    event(20, summary="another rule", rule_name="Hot")
    event(61, summary="long before")
    found = asked()
    assert summaries(found) == ["at 0", "another GPU", "another rule", "long before"]
    flapping, *others = found.days[0].alerts
    assert flapping.repeated == "×4 within 59\u2009min 0\u2009s"
    assert [past.event.summary for past in flapping.earlier] == ["at 5", "at 40", "at 59"]
    assert [past.repeated for past in others] == ["", "", ""]
    assert found.days[0].total == 7


def test_open_alert_is_not_in_the_history_unless_asked_for() -> None:
    open_now, saved_late = (
        event(1, state="firing", summary="open"),
        event(2, state="firing", summary="over, not saved yet"),
    )
    found = history(Wanted(), has_details=True, open_now=[str(open_now.id)])
    assert found is not None
    assert summaries(found) == [saved_late.summary]
    assert summaries(asked(state="firing")) == ["open", "over, not saved yet"]


def test_acknowledgement_of_a_deleted_account_is_kept() -> None:
    ana = User.objects.create_user("ana")
    event(1, acknowledged_at=NOON, acknowledged_by=ana)
    ana.delete()
    assert asked().days[0].alerts[0].acknowledged_by == "a deleted account"


def test_unreachable_database_shows_no_history_and_logs_why(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def locked(*_: Any) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr(QuerySet, "__iter__", locked)
    monkeypatch.setattr(QuerySet, "_fetch_all", locked)
    assert history(Wanted.of({}), has_details=True, open_now=()) is None
    assert "database is locked" in caplog.text


def test_alert_leads_to_its_metric_around_its_time() -> None:
    """15 minutes before and after, in UTC: the link shows everyone the same."""
    of_gpu = PastAlert(event(0), has_details=False)
    assert of_gpu.chart == "/gpu/GPU-5?from=2026-03-14T11%3A44%3A30Z&to=2026-03-14T12%3A17%3A00Z"
    firing = PastAlert(event(0, state="firing"), has_details=False)
    assert firing.chart == "/gpu/GPU-5?from=2026-03-14T11%3A44%3A30Z"
    of_host = PastAlert(event(0, gpu_uuid="", metric="system.memory_used_percent"), has_details=False)
    assert of_host.chart.startswith("/history?metric=memory_used_percent&from=2026-03-14T11")
    assert PastAlert(event(0, gpu_uuid="", metric="system.disk_free_bytes"), has_details=False).chart == ""
