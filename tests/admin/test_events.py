"""Alerts and GPUs in the admin, which are read-only."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from monitor.models import AlertEvent
from tests.support.clients import text

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_root", "no_rules")]

LIST = "/admin/monitor/alertevent/"


def an_event(state: str = "firing", **values: Any) -> AlertEvent:
    now = timezone.now()
    given = {"rule_name": "Hot", "severity": "critical", "host": "dgx", "summary": "GPU 0 is hot", "fired_at": now}
    return AlertEvent.objects.create(state=state, started_at=now, **{**given, **values})


@pytest.mark.parametrize("what", ["seengpu", "alertevent"])
def test_alerts_and_gpus_cannot_be_added_or_changed_by_hand(root: Client, what: str) -> None:
    assert root.get(f"/admin/monitor/{what}/add/").status_code == 403
    assert root.get(f"/admin/monitor/{what}/").status_code == 200


def test_event_details_are_read_only(root: Client) -> None:
    event = an_event()
    answer = root.get(f"{LIST}{event.pk}/change/")
    assert "GPU 0 is hot" in text(answer)
    assert "Rule: — Rule's name at the time: Hot" in text(answer)
    assert "_save" not in answer.content.decode()


def test_times_are_shown_in_24_hour_format_with_seconds(root: Client) -> None:
    """Regression: all alerts within a minute had the same time, "4:24 p.m."."""
    event = an_event(fired_at=datetime(2026, 11, 24, 16, 24, 7, tzinfo=UTC))
    assert "2026-11-24 16:24:07" in text(root.get(LIST))
    assert "Fired at: 2026-11-24 16:24:07" in text(root.get(f"{LIST}{event.pk}/change/"))


def test_firing_alert_cannot_be_deleted(root: Client) -> None:
    """Regression: a deleted alert stayed on the pages and could not be acknowledged."""
    firing, past = an_event("firing"), an_event("resolved")
    page = text(root.post(LIST, {"action": "delete_selected", "_selected_action": [firing.pk, past.pk]}))
    assert "GPU 0 is hot (still firing: it can be deleted once it has resolved)" in page
    root.post(LIST, {"action": "delete_selected", "_selected_action": [firing.pk, past.pk], "post": "yes"})
    root.post(f"{LIST}{firing.pk}/delete/", {"post": "yes"})
    assert AlertEvent.objects.count() == 2
    root.post(f"{LIST}{past.pk}/delete/", {"post": "yes"})
    assert [*AlertEvent.objects.all()] == [firing]


@pytest.mark.parametrize(
    ("chosen", "found"), [("yes", ["resolved"]), ("no", ["firing"]), ("x", ["firing", "resolved"])]
)
def test_events_are_filtered_by_acknowledgement(root: Client, chosen: str, found: list[str]) -> None:
    an_event("firing")
    an_event("resolved", acknowledged_at=timezone.now())
    answer = root.get(f"{LIST}?acknowledged={chosen}")
    assert sorted(event.state for event in answer.context["cl"].queryset) == found
