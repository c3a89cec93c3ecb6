"""The form of an alert rule: its choices and its error messages."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.admin.models import ADDITION, LogEntry
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from monitor.models import AlertRule, Channel, SeenGpu
from monitor.rules.kinds.registry import KINDS
from monitor.rules.metrics import metrics
from tests.support.clients import text
from tests.support.hot_rule import ADD, HOT, LIST, hot

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_root", "no_rules")]


def errors(answer: Any) -> dict[str, list[str]]:
    assert answer.status_code == 200
    return dict(answer.context["adminform"].form.errors)


def test_rule_is_added_with_its_gpus_and_channels_and_logged(root: Client) -> None:
    seen = SeenGpu.objects.create(uuid="GPU-a", index=0)
    mail = Channel.objects.create(name="mail", url="json://localhost")
    answer = root.post(ADD, {**HOT, "gpus": [seen.pk], "channels": [mail.pk], "quiet_hours": "Sat,Sun 00:00-24:00"})
    assert answer.status_code == 302, errors(answer)
    rule = AlertRule.objects.get()
    assert (rule.threshold, rule.clear_for_seconds, rule.remind_every_minutes) == (90, 0, 0)
    assert ([*rule.gpus.all()], [*rule.channels.all()]) == ([seen], [mail])
    assert LogEntry.objects.get().action_flag == ADDITION


def test_error_is_shown_at_the_invalid_field(root: Client) -> None:
    answer = root.post(ADD, {**HOT, "threshold": "", "throttle": "power", "gpu_indexes": "0-x", "for_seconds": "-1"})
    assert errors(answer) == {
        "threshold": ["Required for “Threshold”."],
        "throttle": ["Not used by “Threshold”: leave it empty."],
        "for_seconds": ["-1 s is out of range: 0 to 2592000 s (30 days)."],
        "gpu_indexes": [
            "'0-x' is not a GPU index or range: separate them by commas, such as 0,2-5."
        ],
    }  # fmt: skip
    assert not AlertRule.objects.exists()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "threshold"])
def test_form_without_script_accepts_every_kind_with_its_required_fields(root: Client, kind: str) -> None:
    """Regression: the default comparator of a new form was refused for every kind but the first."""
    page = root.get(ADD).content.decode()
    assert re.search(r'<option value="&gt;=" selected>', page)
    needs = {"metric": "gpu.ecc_uncorrected_volatile", "threshold": "2", "throttle": "any"}
    given = {name: needs[name] for name in KINDS[kind].needs}
    answer = root.post(
        ADD, {"name": "New", "severity": "info", "kind": kind, "comparator": ">=", "mig": "any", **given}
    )
    assert answer.status_code == 302, errors(answer)
    assert AlertRule.objects.get().comparator == ""


def test_chosen_comparator_is_refused_for_kinds_without_comparison(root: Client) -> None:
    answer = root.post(ADD, {"name": "Lost", "severity": "info", "kind": "gpu_lost", "comparator": "<", "mig": "any"})
    assert errors(answer) == {"comparator": ["Not used by “GPU lost”: leave it empty."]}


def test_invalid_quiet_hours_are_refused_with_a_message(root: Client) -> None:
    [problem] = errors(root.post(ADD, {**HOT, "quiet_hours": "Mon 25:00-26:00"}))["quiet_hours"]
    assert "25:00 is not a time" in problem


@pytest.mark.parametrize(
    ("zone", "date", "time"), [("America/New_York", "9999-12-31", "23:00:00"), ("Asia/Tokyo", "0001-01-01", "01:00:00")]
)
def test_time_outside_the_range_of_utc_is_refused_with_a_message(root: Client, zone: str, date: str, time: str) -> None:
    """Regression: a mute until the largest date was a server error."""
    with timezone.override(zone):
        answer = root.post(ADD, {**HOT, "muted_until_0": date, "muted_until_1": time})
    assert "out of range: 2 to 9998" in errors(answer)["muted_until"][0]


def test_invalid_edit_changes_nothing(root: Client) -> None:
    rule = hot()
    answer = root.post(f"{LIST}{rule.pk}/change/", {**HOT, "clear_threshold": "95"})
    assert "it must be at or below the threshold of 90" in errors(answer)["clear_threshold"][0]
    rule.refresh_from_db()
    assert rule.clear_threshold is None


def test_form_lists_every_metric_in_its_group_with_its_unit(root: Client) -> None:
    page = root.get(ADD).content.decode()
    for key in metrics():
        assert f'<option value="{key}"' in page
    assert re.search(r'<optgroup label="GPU">.*?>Temperature, °C<.*?</optgroup>', page, re.DOTALL)
    assert re.search(r'<optgroup label="Host">.*?>CPU, %<.*?</optgroup>', page, re.DOTALL)


def test_form_lists_the_required_fields_of_each_kind(root: Client) -> None:
    said = text(root.get(ADD))
    for kind in KINDS.values():
        assert kind.label in said
        assert kind.help in said


def test_form_has_no_inline_script_or_style(root: Client) -> None:
    page = root.get(ADD).content.decode()
    assert re.findall(r"<style|\sstyle=|\son\w+=|javascript:", page) == []
    assert re.findall(r"<script(?![^>]*\bsrc=)", page) == []


def test_gpus_are_found_by_name_uuid_and_host(root: Client) -> None:
    SeenGpu.objects.create(uuid="GPU-a", name="NVIDIA A100", host="dgx", index=0)
    SeenGpu.objects.create(uuid="GPU-b", name="NVIDIA H100", host="dgx", index=1)
    asked = {"app_label": "monitor", "model_name": "alertrule", "field_name": "gpus", "term": "h100"}
    found = root.get("/admin/autocomplete/", asked).json()["results"]
    assert [each["text"] for each in found] == ["dgx · GPU 1 · NVIDIA H100 · GPU-b"]


def test_form_names_the_zone_of_its_times_and_the_time_there(root: Client, settings: Settings) -> None:
    """A container is in UTC, which nobody told who entered quiet hours in local time."""
    settings.TIME_ZONE = "Asia/Tokyo"
    page = text(root.get(ADD))
    found = re.findall(r"In the server's time zone, Asia/Tokyo \(TZ\), where it is \d\d:\d\d JST now\.", page)
    assert len(found) == 1
    with timezone.override("Europe/Berlin"):  # the viewer's, named by a cookie
        assert "No notifications until then, in the time zone Europe/Berlin." in text(root.get(ADD))


@pytest.mark.parametrize("key", ["x", "-1", "1.5", "9" * 40, "1,2", "\x1f"])
@pytest.mark.parametrize("address", [ADD, "/admin/monitor/alertrule/preview/"])
def test_key_of_no_gpu_is_an_error_of_the_form(root: Client, address: str, key: str) -> None:
    assert root.post(address, {**HOT, "gpus": key}).status_code == 200
    assert not AlertRule.objects.exists()
