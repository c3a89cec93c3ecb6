"""The list of alert rules: descriptions, filters, search and bulk actions."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.test import Client
from django.utils import timezone

from monitor.models import AlertEvent, AlertRule, Channel, SeenGpu
from tests.support.clients import holder_of, text
from tests.support.hot_rule import HOT, LIST, hot

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_root", "no_rules")]


def test_list_describes_each_rule_and_counts_firing_alerts(root: Client) -> None:
    rule = hot(for_seconds=60, severity="critical", muted_until=datetime(2100, 1, 1, tzinfo=UTC))
    for state in ("firing", "firing", "resolved"):
        AlertEvent.objects.create(rule=rule, rule_name="Hot", severity="critical", host="dgx", summary="GPU 0 is hot",
                                  state=state, started_at=timezone.now(), fired_at=timezone.now())  # fmt: skip
    answer = root.get(LIST)
    assert "Hot Critical temperature ≥ 90 °C for 60 s until 2100-01-01 00:00 2" in text(answer)
    link = re.search(r'href="(/admin/monitor/alertevent/[^"]+)">2<', answer.content.decode())
    assert link is not None
    assert "2 alerts" in text(root.get(link[1].replace("&amp;", "&")))


def test_invalid_rule_written_outside_the_admin_does_not_break_the_list(root: Client) -> None:
    hot(metric="gpu.nonsense")
    assert "not evaluated: metric: 'gpu.nonsense' is unknown" in text(root.get(LIST))


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("severity__exact=critical", ["Loud"]),
        ("is_enabled__exact=0", ["Off"]),
        ("muted=yes", ["Quiet"]),
        ("muted=no", ["Loud", "Off"]),
        ("firing=yes", ["Loud"]),
        ("firing=no", ["Off", "Quiet"]),
        ("q=loud", ["Loud"]),
    ],
)
def test_list_is_filtered_and_searched(root: Client, query: str, found: list[str]) -> None:
    loud = hot(name="Loud", severity="critical")
    hot(name="Off", is_enabled=False)
    hot(name="Quiet", muted_until=timezone.now() + timedelta(minutes=5))
    AlertEvent.objects.create(rule=loud, rule_name="Loud", severity="critical", host="dgx", summary="x",
                              started_at=timezone.now(), fired_at=timezone.now())  # fmt: skip
    answer = root.get(f"{LIST}?{query}")
    assert [rule.name for rule in answer.context["cl"].queryset] == found


def act(client: Client, action: str, *rules: AlertRule) -> Any:
    return client.post(LIST, {"action": action, "_selected_action": [rule.pk for rule in rules]}, follow=True)


def test_rules_are_disabled_and_enabled_and_the_change_is_logged(root: Client) -> None:
    rules = hot(), hot(name="Also hot", is_enabled=False)
    before = AlertRule.objects.get(name="Hot").updated_at
    assert "1 rule disabled." in text(act(root, "disable", *rules))
    assert not AlertRule.objects.filter(is_enabled=True).exists()
    assert AlertRule.objects.get(name="Hot").updated_at > before
    assert "2 rules enabled." in text(act(root, "enable", *rules))
    assert "Nothing to do" in text(act(root, "enable", *rules))
    told = [(entry.object_repr, entry.get_change_message()) for entry in LogEntry.objects.order_by("pk")]
    assert told == [("Hot", "Disabled."), ("Also hot", "Enabled."), ("Hot", "Enabled.")]


def test_rules_are_muted_for_an_hour_and_unmuted(root: Client) -> None:
    rule = hot()
    began = timezone.now()
    assert "1 rule muted for 1 h." in text(act(root, "mute", rule))
    rule.refresh_from_db()
    assert rule.muted_until is not None
    assert timedelta(hours=1) <= rule.muted_until - began < timedelta(hours=1, minutes=1)
    assert "1 rule no longer muted." in text(act(root, "unmute", rule))
    rule.refresh_from_db()
    assert rule.muted_until is None
    assert LogEntry.objects.filter(action_flag=CHANGE).count() == 2


def test_duplicate_of_a_rule_has_all_its_values_and_is_disabled(root: Client) -> None:
    rule = hot(muted_until=timezone.now(), clear_for_seconds=7)
    rule.gpus.add(SeenGpu.objects.create(uuid="GPU-a"))
    rule.channels.add(Channel.objects.create(name="mail", url="json://localhost"))
    act(root, "duplicate", rule)
    act(root, "duplicate", rule)
    copy = AlertRule.objects.get(name="Hot (copy)")
    assert (copy.is_enabled, copy.muted_until, copy.clear_for_seconds, copy.threshold) == (False, None, 7, 90)
    assert ([gpu.uuid for gpu in copy.gpus.all()], [each.name for each in copy.channels.all()]) == (["GPU-a"], ["mail"])
    assert AlertRule.objects.filter(name="Hot (copy 2)").exists()
    assert {entry.get_change_message() for entry in LogEntry.objects.all()} == {"Duplicated from Hot."}


def test_user_with_only_the_mute_permission_sees_and_mutes_rules(root: Client) -> None:
    rule = hot()
    operator = holder_of("view_alertrule", "mute_alertrule")
    page = operator.get(LIST).content.decode()
    assert set(re.findall(r'<option value="(\w+)"', page)) >= {"mute", "unmute"}
    assert not re.search(r'<option value="(enable|disable|duplicate|delete_selected)"', page)
    act(operator, "mute", rule)
    act(operator, "disable", rule)
    rule.refresh_from_db()
    assert rule.muted_until is not None
    assert rule.is_enabled
    form = operator.get(f"{LIST}{rule.pk}/change/")
    assert "data-preview" not in form.content.decode().replace("data-preview-", "")
    assert operator.post(f"{LIST}{rule.pk}/change/", HOT).status_code == 403
