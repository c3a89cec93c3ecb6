"""What the quiet hours of a rule suppress and delay."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pytest_django import Settings

from monitor.alerts.silence import is_silent
from monitor.models import Delivery
from monitor.notifications.reminders import review
from tests.support.outbox_rows import NOON, Clock, a_channel, a_rule, fire, resolve, told

pytestmark = pytest.mark.django_db
FIRED, RESOLVED = "fired", "resolved"


@pytest.fixture(autouse=True)
def utc(settings: Settings) -> None:
    """A fixed time zone, independent of the machine that runs the tests."""
    settings.TIME_ZONE = "UTC"


def test_quiet_hours_suppress_the_alert_and_delay_the_resolution() -> None:
    a_channel(name="a")
    clock = Clock()
    rule = a_rule(quiet_hours="Tue 13:00-14:00")
    early = fire(rule, 0, now=clock.now)
    fire(rule, 1, now=clock.pass_by(hours=1))
    resolve(early, now=clock.pass_by(minutes=5))
    review(now=clock.pass_by(minutes=50))
    assert told() == [("a", FIRED, "waiting", {0}), ("a", RESOLVED, "held", {0})]
    review(now=clock.pass_by(minutes=5))
    assert told() == [("a", FIRED, "waiting", {0}), ("a", RESOLVED, "waiting", {0}), ("a", FIRED, "waiting", {1})]


def test_messages_delayed_by_quiet_hours_precede_later_ones() -> None:
    """The alert fires again after the quiet hours and before the next review."""
    a_channel(name="a")
    clock = Clock()
    rule = a_rule(quiet_hours="Tue 13:00-14:00")
    early = fire(rule, 0, now=clock.now)
    resolve(early, now=clock.pass_by(hours=1))
    fire(rule, 0, now=clock.pass_by(hours=1))
    assert [(kind, status) for _, kind, status, _ in told()] == [
        (FIRED, "waiting"), (RESOLVED, "waiting"), (FIRED, "waiting")
    ]  # fmt: skip
    assert Delivery.objects.get(kind=RESOLVED).due_at == clock.now


@pytest.mark.parametrize(
    ("moment", "is_quiet"),
    [
        ("2026-03-29T00:59", True), ("2026-03-29T01:00", False),  # 01:59, and a minute later 03:00
        ("2026-10-24T23:29", False), ("2026-10-24T23:30", True),  # 01:29, 01:30
        ("2026-10-25T01:59", True), ("2026-10-25T02:00", False),  # 02:59 for the second time, 03:00
    ],
)  # fmt: skip
def test_quiet_hours_follow_the_local_time_across_clock_changes(
    settings: Settings, moment: str, is_quiet: bool
) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    rule = a_rule(quiet_hours="Sun 01:30-03:00")
    assert is_silent(rule, datetime.fromisoformat(moment).replace(tzinfo=UTC)) is is_quiet


def test_quiet_hours_are_in_the_time_zone_of_the_server(settings: Settings) -> None:
    settings.TIME_ZONE = "Asia/Tokyo"
    a_channel()
    assert fire(a_rule(quiet_hours="Tue 21:00-22:00"), now=NOON).told_at is None
    assert fire(a_rule(quiet_hours="Tue 12:00-13:00"), now=NOON).told_at == NOON


def test_invalid_quiet_hours_suppress_nothing(caplog: pytest.LogCaptureFixture) -> None:
    a_channel(name="a")
    fire(a_rule(name="odd", quiet_hours="at night"))
    assert told() == [("a", FIRED, "waiting", {0})]
    assert "ignoring the quiet hours of rule odd: Quiet hours 'at night'" in caplog.text
