"""The preview tests an unsaved rule on the readings in memory; it requires permission."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.http import HttpResponse
from django.test import Client

from monitor.admin import rule_preview
from monitor.models import AlertRule
from monitor.telemetry.recent import Recent
from tests.support.clients import holder_of, text
from tests.support.hot_rule import HOT, LIST, hot
from tests.support.runtimes import current_runtime
from tests.support.snapshots import gpu, host, process

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_root", "no_rules")]

PREVIEW = f"{LIST}preview/"


@pytest.fixture
def recent() -> Iterator[Recent]:
    """The readings in memory, which are empty at first."""
    with current_runtime() as runtime:
        yield runtime.alerts.recent


def ask(client: Client, fields: Mapping[str, Any]) -> Any:
    return client.post(PREVIEW, dict(fields))


def chart_of(answer: Any) -> dict[str, Any]:
    """The data of the chart on the page."""
    [found] = re.findall(r'data-chart="([^"]+)"', answer.content.decode())
    chart: dict[str, Any] = json.loads(html.unescape(found))
    return chart


def feed(recent: Recent, *temperatures: float) -> None:
    for second, temperature in enumerate(temperatures):
        at = 1_800_000_000.0 + second
        recent.add(host(gpu(0, temperature_celsius=temperature), gpu(1), time=at, sampled_at=at))


def test_unsaved_rule_is_tested_on_the_readings_in_memory(root: Client, recent: Recent) -> None:
    feed(recent, 80, 95, 96, 80, 92)
    answer = ask(root, HOT)
    said = text(answer)
    assert "temperature ≥ 90 °C" in said
    assert (
        "Evaluated on 5 readings of the last 15 minutes, 15 Jan 2027, 08:00:00 UTC to 15 Jan 2027, 08:00:04 UTC" in said
    )
    assert "It would fire now: GPU 0 reached 92 °C (limit 90 °C). It" in said
    assert "It would have fired 2 times, for 2 s in all." in said
    assert [line["label"] for line in chart_of(answer)["series"]] == ["GPU 0", "GPU 1"]
    assert not AlertRule.objects.exists()


def test_saved_rule_is_tested_with_the_form_values_and_stays_unchanged(root: Client, recent: Recent) -> None:
    rule = hot()
    feed(recent, 80, 85)
    assert "It would fire now: GPU 0" in text(ask(root, {**HOT, "threshold": "82", "preview_of": rule.pk}))
    rule.refresh_from_db()
    assert rule.threshold == 90


def test_form_without_a_name_can_be_tested(root: Client, recent: Recent) -> None:
    hot()
    feed(recent, 95, 95)
    assert "It would fire now" in text(ask(root, {**HOT, "name": ""}))
    assert "It would fire now" in text(ask(root, HOT))  # the name of another rule


def test_form_errors_are_shown_as_messages(root: Client, recent: Recent) -> None:
    said = text(ask(root, {**HOT, "threshold": "", "throttle": "power"}))
    assert "This rule cannot be tested yet:" in said
    assert "Threshold: Required for “Threshold”." in said
    assert "Throttle: Not used" in said
    assert "Threshold: Enter a number." in text(ask(root, {**HOT, "threshold": "hot"}))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "No readings yet: try again in a few seconds."),
        ({"gpu_name_pattern": "A100"}, "No GPU or host in these readings matches the rule"),
        ({"host_pattern": "elsewhere"}, "No GPU or host in these readings matches the rule"),
        ({"metric": "gpu.hotspot_temperature_celsius"}, "The value is unknown in all of these readings"),
    ],
)
def test_preview_explains_missing_data(root: Client, recent: Recent, fields: dict[str, str], said: str) -> None:
    if fields:
        feed(recent, 80)
    assert said in text(ask(root, {**HOT, **fields}))


def test_preview_without_dead_processes_shows_no_warning(root: Client, recent: Recent) -> None:
    feed(recent, 80)
    fields = {**HOT, "kind": "process_gone", "metric": "", "threshold": ""}
    assert "It would not fire now. It would not have fired at all." in text(ask(root, fields))


def test_alerts_beyond_the_listed_ones_are_counted(
    root: Client, recent: Recent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rule_preview, "MOST_EVENTS", 1)
    recent.add(host(*[gpu(each, temperature_celsius=95) for each in range(3)], time=5.0, sampled_at=5.0))
    said = text(ask(root, HOT))
    assert "It would fire now: GPU 0 reached 95 °C (limit 90 °C); and 2 more." in said
    assert "And 2 more." in said


def test_process_name_cannot_break_the_page(root: Client, recent: Recent) -> None:
    evil = process(7, user="<script>alert(1)</script>", memory_used_bytes=90 << 30)
    recent.add(host(gpu(0, processes=(evil,)), time=5.0, sampled_at=5.0))
    answer = ask(root, {**HOT, "metric": "process.memory_used_bytes", "gpu_name_pattern": "*<i>*"})
    assert b"<script>alert" not in answer.content
    assert b"<i>" not in answer.content


@pytest.mark.parametrize(
    ("permissions", "is_allowed"),
    [
        (("view_alertrule", "mute_alertrule"), False),
        (("change_alertrule",), False),
        (("add_alertrule",), True),
        (("view_alertrule", "change_alertrule"), False),
    ],
)
def test_preview_of_a_new_rule_needs_the_add_permission(
    recent: Recent, permissions: tuple[str, ...], is_allowed: bool
) -> None:
    assert ask(holder_of(*permissions), HOT).status_code == (200 if is_allowed else 403)


def test_preview_of_a_saved_rule_needs_the_change_permission(recent: Recent) -> None:
    fields = {**HOT, "preview_of": hot().pk}
    client = holder_of("view_alertrule")
    assert ask(client, fields).status_code == 403
    User.objects.get().user_permissions.set(
        Permission.objects.filter(codename__in=["view_alertrule", "change_alertrule"])
    )
    assert ask(client, fields).status_code == 200


def test_preview_needs_a_post_with_a_csrf_token_and_a_login(root: Client) -> None:
    assert root.get(PREVIEW).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get(username="root"))
    assert strict.post(PREVIEW, HOT).status_code == 403
    anonymous: HttpResponse = Client().post(PREVIEW, HOT)
    assert anonymous.status_code == 302
