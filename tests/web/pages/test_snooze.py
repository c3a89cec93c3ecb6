"""Snoozing an alert: by a login from its page, and by the link of a message, which can do little and only by POST."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core import signing
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from monitor.alerts import snooze_link
from monitor.alerts.silence import is_silent
from monitor.models import AlertEvent, AlertRule, Snooze
from tests.support.clients import logged_in, text
from tests.support.outbox_rows import a_rule, an_event

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("static_root")]


@pytest.fixture
def event() -> AlertEvent:
    return an_event(a_rule(name="Too hot"), 3, now=timezone.now())


@pytest.fixture
def operator() -> Client:
    user = User.objects.create_user("operator")
    user.user_permissions.add(Permission.objects.get(codename="mute_alertrule"))
    return logged_in(user)


def path(event: AlertEvent, scope: snooze_link.Scope | None = None) -> str:
    key = "" if scope is None else f"?key={snooze_link.made(str(event.pk), scope)}"
    return f"/alerts/{event.pk}/snooze{key}"


def silent_gpus(rule: AlertRule, minutes: float = 1) -> list[int]:
    """Which of GPU 3 and 4 are silent in some minutes."""
    rule = AlertRule.objects.get(pk=rule.pk)
    then = timezone.now() + timedelta(minutes=minutes)
    return [gpu for gpu in (3, 4) if is_silent(rule, then, f"GPU-{gpu}")]


def rule_of(event: AlertEvent) -> AlertRule:
    assert event.rule is not None
    return event.rule


@pytest.mark.parametrize(
    ("length", "scope", "soon", "in_61_minutes"),
    [
        ("1h", "gpu", [3], []),
        ("1h", "rule", [3, 4], []),
        ("resolved", "gpu", [3], [3]),
        ("resolved", "rule", [3, 4], [3, 4]),
    ],
)
def test_operator_snoozes_this_gpu_or_all_gpus_of_the_rule(
    event: AlertEvent, operator: Client, length: str, scope: str, soon: list[int], in_61_minutes: list[int]
) -> None:
    answer = operator.post(path(event), {"length": length, "scope": scope})
    assert answer["Location"] == f"/alerts/{event.pk}#snooze"
    assert silent_gpus(rule_of(event)) == soon
    assert silent_gpus(rule_of(event), 61) == in_61_minutes
    page = text(operator.get(f"/alerts/{event.pk}"))
    assert re.search("No notifications until (it has resolved|20)", page)
    operator.post(path(event), {"length": "end"})
    assert silent_gpus(rule_of(event)) == []
    assert not Snooze.objects.exists()


def test_until_morning_is_eight_o_clock_in_the_zone_of_the_server(
    event: AlertEvent, operator: Client, settings: Settings
) -> None:
    settings.TIME_ZONE = "Asia/Tokyo"
    assert "until 08:00 JST" in text(operator.get(path(event)))
    operator.post(path(event), {"length": "morning", "scope": "gpu"})
    until = Snooze.objects.get().until
    assert until is not None
    assert (until.hour, until.minute) == (23, 0)  # UTC
    assert timedelta() < until - timezone.now() <= timedelta(hours=24)


@pytest.mark.parametrize(
    "data",
    [{}, {"length": "1h"}, {"length": "1h", "scope": "host"}, {"length": "9 years", "scope": "gpu"}, {"scope": "gpu"}],
)
def test_other_lengths_and_scopes_are_refused(event: AlertEvent, operator: Client, data: dict[str, str]) -> None:
    assert "must be one of" in text(operator.post(path(event), data), status=400)
    assert silent_gpus(rule_of(event)) == []


def test_following_the_link_changes_nothing_and_asks(event: AlertEvent) -> None:
    """Mail scanners and chat previews follow links."""
    for method in ("get", "head"):
        getattr(Client(), method)(path(event, "gpu"))
    page = text(Client().get(path(event, "gpu")))
    assert "GPU 3 is lost" in page
    assert "until 08:00" not in page
    assert silent_gpus(rule_of(event)) == []


@pytest.mark.parametrize(("scope", "silent"), [("gpu", [3]), ("rule", [3, 4])])
def test_link_snoozes_without_a_login_what_its_message_was_about(
    event: AlertEvent, scope: snooze_link.Scope, silent: list[int]
) -> None:
    client = Client(enforce_csrf_checks=True)
    form = client.get(path(event, scope)).content.decode()
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]+)"', form))
    answer = client.post(path(event), {**fields, "length": "1h", "scope": scope})
    assert "No notifications until" in text(answer)
    assert silent_gpus(rule_of(event)) == silent
    assert silent_gpus(rule_of(event), 61) == []


@pytest.mark.parametrize(
    ("data", "status"),
    [
        ({"length": "morning", "scope": "gpu"}, 400),
        ({"length": "1h", "scope": "rule"}, 400),
        ({"length": "end", "scope": "gpu"}, 400),
    ],
)
def test_link_can_do_no_more_than_that(event: AlertEvent, data: dict[str, str], status: int) -> None:
    assert Client().post(path(event, "gpu"), data).status_code == status
    assert silent_gpus(rule_of(event)) == []


def test_link_of_another_alert_a_changed_one_and_an_old_one_are_refused(
    event: AlertEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = an_event(rule_of(event), 4)
    good = path(event, "gpu")
    now = timezone.now().timestamp()
    data = {"length": "1h", "scope": "gpu"}
    for bad, words in (
        (good.replace(str(event.pk), str(other.pk), 1), "belongs to another alert"),
        (f"{good}x", "incomplete or was changed"),
        (f"{path(event)}?key=x", "incomplete or was changed"),
    ):
        assert words in text(Client().post(bad, data), status=403)
    monkeypatch.setattr(signing.time, "time", lambda: now + snooze_link.VALID_SECONDS + 5)
    assert "older than a day" in text(Client().post(good, data), status=403)
    assert silent_gpus(rule_of(event)) == silent_gpus(rule_of(other)) == []


def test_without_a_key_a_login_with_the_permission_is_needed(event: AlertEvent) -> None:
    data = {"length": "1h", "scope": "gpu"}
    assert Client().post(path(event), data)["Location"].startswith("/login?next=")
    viewer = logged_in(User.objects.create_user("viewer"))
    assert "viewer lacks the permission" in text(viewer.post(path(event), data), status=403)
    assert "End every snooze" not in text(viewer.get(f"/alerts/{event.pk}"))
    assert silent_gpus(rule_of(event)) == []


def test_resolved_alert_can_be_snoozed_for_a_time_only(event: AlertEvent, operator: Client) -> None:
    AlertEvent.objects.update(state="resolved", resolved_at=timezone.now())
    assert "until resolved" not in text(operator.get(path(event)))
    assert operator.post(path(event), {"length": "resolved", "scope": "gpu"}).status_code == 409
    operator.post(path(event), {"length": "1h", "scope": "gpu"})
    assert silent_gpus(rule_of(event)) == [3]


@pytest.mark.parametrize(("change", "status"), [({"rule": None}, 409), ({"gpu_uuid": ""}, 302)])
def test_alert_without_a_rule_or_a_gpu(
    event: AlertEvent, operator: Client, change: dict[str, Any], status: int
) -> None:
    AlertEvent.objects.update(**change)
    assert operator.post(path(event), {"length": "1h", "scope": "rule"}).status_code == status


def test_form_that_was_open_during_a_login_is_asked_again(event: AlertEvent) -> None:
    key = path(event, "gpu").partition("key=")[2]
    answer = Client(enforce_csrf_checks=True).post(path(event), {"key": key, "length": "1h", "scope": "gpu"})
    assert answer.status_code == 302
    assert "GPU 3 is lost" in text(Client().get(answer["Location"]))
    assert silent_gpus(rule_of(event)) == []


def test_unknown_alert_is_404(operator: Client) -> None:
    assert operator.get("/alerts/00000000-0000-4000-8000-000000000000/snooze").status_code == 404
