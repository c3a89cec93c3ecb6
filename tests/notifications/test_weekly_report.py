"""The weekly report: for which week, once for each channel, and what it says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from pytest_django import Settings

from monitor.models import Channel, Delivery
from monitor.notifications import webhook_payload
from monitor.notifications.messages import message_of
from monitor.notifications.reports import summary
from monitor.notifications.reports.due import enqueue_due
from monitor.notifications.reports.settings import ReportSettings
from monitor.notifications.reports.summary import MOST_USERS
from monitor.notifications.reports.week import week_before
from monitor.usage.reports import Prices
from tests.notifications.used_week import MONDAY, use
from tests.support.outbox_rows import a_channel, a_rule, an_event

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def utc(settings: Settings) -> None:
    settings.TIME_ZONE = "UTC"


@pytest.fixture
def channel() -> Channel:
    """One that has wanted the report for a while."""
    made = a_channel(name="ops")
    made.is_for_weekly_report, made.reported_until = True, MONDAY - timedelta(days=7, hours=8)
    made.save()
    return made


def due(now: datetime) -> int:
    """How many reports there are after a look at this time."""
    enqueue_due(now=now)
    return Delivery.objects.filter(kind="report").count()


def text_of(now: datetime, **options: Any) -> str:
    message = message_of(Delivery.objects.get(kind="report"), now=now, **options)
    return f"{message.title}\n{message.whole}"


@pytest.mark.parametrize(
    ("zone", "now", "start", "hours"),
    [
        ("UTC", datetime(2026, 11, 23, 8, 0, tzinfo=UTC), "2026-11-16T00:00:00+00:00", 168),
        ("UTC", datetime(2026, 11, 23, 7, 59, tzinfo=UTC), "2026-11-09T00:00:00+00:00", 168),
        ("UTC", datetime(2026, 11, 29, 23, 0, tzinfo=UTC), "2026-11-16T00:00:00+00:00", 168),
        ("Europe/Berlin", datetime(2026, 10, 26, 7, 0, tzinfo=UTC), "2026-10-19T00:00:00+02:00", 169),
        ("Europe/Berlin", datetime(2026, 3, 30, 6, 0, tzinfo=UTC), "2026-03-23T00:00:00+01:00", 167),
    ],
)
def test_week_is_from_monday_to_monday_in_the_servers_zone(
    settings: Settings, zone: str, now: datetime, start: str, hours: int
) -> None:
    settings.TIME_ZONE = zone
    week = week_before(now)
    assert week.start.isoformat() == start
    assert week.end.timestamp() - week.start.timestamp() == hours * 3600


def test_report_is_added_once_a_week_and_once_after_weeks_without_a_server(channel: Channel) -> None:
    assert due(MONDAY - timedelta(minutes=1)) == 0
    assert [due(MONDAY), due(MONDAY + timedelta(days=1))] == [1, 1]
    assert due(MONDAY + timedelta(days=30)) == 2
    assert due(MONDAY + timedelta(days=31)) == 2


def test_channel_that_has_just_been_chosen_gets_its_first_report_next_monday(channel: Channel) -> None:
    Channel.objects.update(reported_until=None)
    assert [due(MONDAY), due(MONDAY + timedelta(days=6)), due(MONDAY + timedelta(days=7))] == [0, 0, 1]


def test_other_channels_get_none(channel: Channel) -> None:
    Channel.objects.update(is_for_weekly_report=False)
    assert due(MONDAY) == 0
    Channel.objects.update(is_for_weekly_report=True, is_enabled=False)
    assert due(MONDAY) == 0


def test_clock_that_was_ahead_does_not_end_the_reports(channel: Channel) -> None:
    Channel.objects.update(reported_until=MONDAY + timedelta(days=3000))
    assert due(MONDAY) == 1


def test_report_says_who_used_the_gpus_and_what_happened(channel: Channel) -> None:
    use(MONDAY - timedelta(days=3), "ana", "bo")
    an_event(a_rule(severity="critical"), 3, fired_at=MONDAY - timedelta(days=2))
    an_event(a_rule(name="old", severity="warning"), 3, fired_at=MONDAY - timedelta(days=20))
    due(MONDAY)
    assert text_of(MONDAY, public_url="https://gpus.example.com/") == (
        "GPU usage, 16–22 Nov 2026\n"
        "1 GPU, 168.0 h together: users 0.2 h (0 %), unknown 167.8 h (100 %).\n"
        "Held while idle: 0.1 h. Energy: at least 0.2 kWh.\n"
        "\n"
        "By user, time on one GPU divided among its users:\n"
        "· ana: 0.1 h, idle-held 0.1 h, mean SM 40 %\n"
        "· bo: 0.1 h, idle-held 0.1 h, mean SM 40 %\n"
        "\n"
        "Alerts: 1 critical.\n"
        "\n"
        "https://gpus.example.com/usage"
    )


def test_report_names_costs_and_co2_if_the_settings_give_prices(channel: Channel) -> None:
    use(MONDAY - timedelta(days=3), "ana", "bo")
    due(MONDAY)
    prices = Prices(per_gpu_hour=8.0, per_kwh=5.0, currency="EUR", co2_grams_per_kwh=400.0)
    text = text_of(MONDAY, reports=ReportSettings(prices))
    assert "Energy: at least 0.2 kWh.\nCost: 3.00 EUR. CO₂: 0.1 kg.\n" in text
    assert "· ana: 0.1 h, idle-held 0.1 h, mean SM 40 %, 1.00 EUR\n" in text
    assert "Cost" not in text_of(MONDAY)


def test_report_names_the_hottest_gpu(channel: Channel, monkeypatch: pytest.MonkeyPatch) -> None:
    use(MONDAY - timedelta(days=3), "ana")
    at = int((MONDAY - timedelta(days=2)).timestamp())

    def stored(source: str, metrics: list[str], *_: float, host_id: str) -> list[SimpleNamespace]:
        assert (source, metrics, host_id) == ("GPU-0", ["temperature_celsius"], "")
        return [SimpleNamespace(time=[at - 900, at, at + 900], high=[None, 91.0, 91.0])]

    monkeypatch.setattr(summary, "history", stored)
    due(MONDAY)
    assert "Hottest: GPU 0 with 91 °C, Sat 21 Nov, 08:00." in text_of(MONDAY)


def test_long_report_counts_the_rest(channel: Channel) -> None:
    use(MONDAY - timedelta(days=3), *[f"user{number:02}" for number in range(MOST_USERS + 5)])
    due(MONDAY)
    text = text_of(MONDAY)
    assert text.count("· user") == MOST_USERS
    assert "and 5 more" in text


def test_report_without_records_says_so(channel: Channel) -> None:
    due(MONDAY)
    assert text_of(MONDAY) == "GPU usage, 16–22 Nov 2026\nThere are no records of this week."


def test_signed_webhook_tells_reports_from_alerts(channel: Channel) -> None:
    due(MONDAY)
    delivery = Delivery.objects.select_related("channel").get()
    body = webhook_payload.body_of(delivery, message_of(delivery, now=MONDAY), public_url=None)
    assert b'"type":"usage.report"' in body
    assert b'"events":[]' in body
