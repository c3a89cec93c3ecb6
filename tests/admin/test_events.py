"""Alerts and GPUs in the admin, which the readings write: to be looked at."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone

from monitor.models import AlertEvent
from tests.admin.conftest import text

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_root", "no_rules")]


@pytest.mark.parametrize("what", ["seengpu", "alertevent"])
def test_what_the_readings_write_is_not_added_or_changed_by_hand(root: Client, what: str) -> None:
    assert root.get(f"/admin/monitor/{what}/add/").status_code == 403
    assert root.get(f"/admin/monitor/{what}/").status_code == 200


def test_what_an_event_says_is_shown_and_cannot_be_edited(root: Client) -> None:
    event = AlertEvent.objects.create(rule_name="Hot", severity="critical", host="dgx", summary="GPU 0 is hot",
                                      started_at=timezone.now(), fired_at=timezone.now())  # fmt: skip
    answer = root.get(f"/admin/monitor/alertevent/{event.pk}/change/")
    assert "GPU 0 is hot" in text(answer)
    assert "_save" not in answer.content.decode()
