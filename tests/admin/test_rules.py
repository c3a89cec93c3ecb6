"""Alert rules in the admin: who may do what, what is refused and in which words, what is tried before it is saved."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.contrib.auth.models import Permission, User
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from monitor.admin import rule_preview
from monitor.alerts.choices import KINDS
from monitor.alerts.metrics import metrics
from monitor.alerts.recent import Recent
from monitor.models import AlertEvent, AlertRule, Channel, SeenGpu
from monitor.web import current
from tests.alerts.recordings import heat
from tests.web.snapshots import gpu, host, process

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_root", "no_rules")]

LIST = "/admin/monitor/alertrule/"
ADD = "/admin/monitor/alertrule/add/"
PREVIEW = "/admin/monitor/alertrule/preview/"
HOT = {
    "name": "Hot",
    "is_enabled": "on",
    "severity": "warning",
    "kind": "threshold",
    "metric": "gpu.temperature_celsius",
    "comparator": ">=",
    "threshold": "90",
    "mig": "any",
}


@pytest.fixture(autouse=True)
def in_utc() -> Iterator[None]:
    with timezone.override(UTC):
        yield


@pytest.fixture
def no_rules(db: None) -> None:
    """Without the rules that the first migration brings."""
    AlertRule.objects.all().delete()


@pytest.fixture
def root() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


@pytest.fixture
def recent(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recent]:
    """The readings in memory: none yet."""
    kept = Recent()
    monkeypatch.setattr(current, "recent", lambda: kept)
    return kept


def holder_of(*codenames: str) -> Client:
    """Somebody with these permissions and no other."""
    user = User.objects.create_user("somebody", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(user)
    return client


def text(answer: Any) -> str:
    """What a reader sees of it, without tags and thin spaces."""
    assert answer.status_code == 200, answer
    plain = re.sub(r"<[^>]+>", " ", answer.content.decode()).replace("\u2009", " ")
    return re.sub(r"\s+", " ", html.unescape(plain))


def errors(answer: Any) -> dict[str, list[str]]:
    assert answer.status_code == 200
    return dict(answer.context["adminform"].form.errors)


def act(client: Client, action: str, *rules: AlertRule) -> Any:
    return client.post(LIST, {"action": action, "_selected_action": [rule.pk for rule in rules]}, follow=True)


def hot(**changes: Any) -> AlertRule:
    values = {"name": "Hot", "metric": "gpu.temperature_celsius", "comparator": ">=", "threshold": 90, **changes}
    return AlertRule.objects.create(**values)


# ── The form ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_rule_is_added_with_its_gpus_and_channels_and_stands_in_the_log(root: Client) -> None:
    seen = SeenGpu.objects.create(uuid="GPU-a", index=0)
    mail = Channel.objects.create(name="mail", url="json://localhost")
    answer = root.post(ADD, {**HOT, "gpus": [seen.pk], "channels": [mail.pk], "quiet_hours": "Sat,Sun 00:00-24:00"})
    assert answer.status_code == 302, errors(answer)
    rule = AlertRule.objects.get()
    assert (rule.threshold, rule.clear_for_seconds, rule.remind_every_minutes) == (90, 0, 0)
    assert ([*rule.gpus.all()], [*rule.channels.all()]) == ([seen], [mail])
    assert LogEntry.objects.get().action_flag == ADDITION


def test_what_the_rule_makes_no_sense_by_stands_at_its_field(root: Client) -> None:
    answer = root.post(ADD, {**HOT, "threshold": "", "throttle": "power", "gpu_indexes": "0-x", "for_seconds": "-1"})
    assert errors(answer) == {
        "threshold": ["Needed for “A value passes a threshold”."],
        "throttle": ["Of no use to “A value passes a threshold”: leave it empty."],
        "for_seconds": ["-1 s is out of range: it takes 0 to 2592000 s (30 days)."],
        "gpu_indexes": [
            "'0-x' is no GPU index: indexes and ranges go between commas, such as 0,2-5."
        ],
    }  # fmt: skip
    assert not AlertRule.objects.exists()


def test_quiet_hours_that_are_none_are_refused_in_words(root: Client) -> None:
    [problem] = errors(root.post(ADD, {**HOT, "quiet_hours": "Mon 25:00-26:00"}))["quiet_hours"]
    assert "25:00 is no time" in problem


def test_an_edit_that_makes_no_sense_changes_nothing(root: Client) -> None:
    rule = hot()
    answer = root.post(f"{LIST}{rule.pk}/change/", {**HOT, "clear_threshold": "95"})
    assert "wrong side" in errors(answer)["clear_threshold"][0]
    rule.refresh_from_db()
    assert rule.clear_threshold is None


def test_the_form_names_every_metric_in_its_group_with_its_unit(root: Client) -> None:
    page = root.get(ADD).content.decode()
    for key in metrics():
        assert f'<option value="{key}"' in page
    assert re.search(r'<optgroup label="GPU">.*?>Temperature, °C<.*?</optgroup>', page, re.DOTALL)
    assert re.search(r'<optgroup label="Host">.*?>CPU, %<.*?</optgroup>', page, re.DOTALL)


def test_the_form_says_what_each_kind_needs(root: Client) -> None:
    said = text(root.get(ADD))
    for kind in KINDS.values():
        assert kind.label in said
        assert kind.help in said


def test_the_form_has_no_script_or_style_in_it(root: Client) -> None:
    page = root.get(ADD).content.decode()
    assert re.findall(r"<style|\sstyle=|\son\w+=|javascript:", page) == []
    assert re.findall(r"<script(?![^>]*\bsrc=)", page) == []


def test_gpus_are_found_by_name_uuid_and_host(root: Client) -> None:
    SeenGpu.objects.create(uuid="GPU-a", name="NVIDIA A100", host="dgx", index=0)
    SeenGpu.objects.create(uuid="GPU-b", name="NVIDIA H100", host="dgx", index=1)
    asked = {"app_label": "monitor", "model_name": "alertrule", "field_name": "gpus", "term": "h100"}
    found = root.get("/admin/autocomplete/", asked).json()["results"]
    assert [each["text"] for each in found] == ["dgx · GPU 1 · NVIDIA H100 · GPU-b"]


@pytest.mark.parametrize("what", ["seengpu", "alertevent"])
def test_what_the_readings_write_is_not_added_or_changed_by_hand(root: Client, what: str) -> None:
    assert root.get(f"/admin/monitor/{what}/add/").status_code == 403
    assert root.get(f"/admin/monitor/{what}/").status_code == 200


# ── The list ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_list_tells_each_rule_in_words_and_counts_what_fires(root: Client) -> None:
    rule = hot(for_seconds=60, severity="critical", muted_until=datetime(2100, 1, 1, tzinfo=UTC))
    for state in ("firing", "firing", "resolved"):
        AlertEvent.objects.create(rule=rule, rule_name="Hot", severity="critical", host="dgx", summary="GPU 0 is hot",
                                  state=state, started_at=timezone.now(), fired_at=timezone.now())  # fmt: skip
    answer = root.get(LIST)
    assert "Hot Critical temperature ≥ 90 °C for 60 s until 2100-01-01 00:00 2" in text(answer)
    link = re.search(r'href="(/admin/monitor/alertevent/[^"]+)">2<', answer.content.decode())
    assert link is not None
    assert "2 alert events" in text(root.get(link[1].replace("&amp;", "&")))


def test_a_rule_that_was_written_past_the_admin_does_not_break_the_list(root: Client) -> None:
    hot(metric="gpu.nonsense")
    assert "not judged: metric: 'gpu.nonsense' is none" in text(root.get(LIST))


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
def test_the_list_is_filtered_and_searched(root: Client, query: str, found: list[str]) -> None:
    loud = hot(name="Loud", severity="critical")
    hot(name="Off", is_enabled=False)
    hot(name="Quiet", muted_until=timezone.now() + timedelta(minutes=5))
    AlertEvent.objects.create(rule=loud, rule_name="Loud", severity="critical", host="dgx", summary="x",
                              started_at=timezone.now(), fired_at=timezone.now())  # fmt: skip
    answer = root.get(f"{LIST}?{query}")
    assert [rule.name for rule in answer.context["cl"].queryset] == found


def test_what_an_event_says_is_shown_and_cannot_be_edited(root: Client) -> None:
    event = AlertEvent.objects.create(rule_name="Hot", severity="critical", host="dgx", summary="GPU 0 is hot",
                                      started_at=timezone.now(), fired_at=timezone.now())  # fmt: skip
    answer = root.get(f"/admin/monitor/alertevent/{event.pk}/change/")
    assert "GPU 0 is hot" in text(answer)
    assert "_save" not in answer.content.decode()


# ── Actions ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_rules_are_disabled_and_enabled_and_the_log_says_so(root: Client) -> None:
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


def test_a_rule_is_duplicated_with_all_it_has_but_disabled(root: Client) -> None:
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


def test_who_may_only_mute_sees_rules_and_mutes_them(root: Client) -> None:
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


# ── Preview ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def ask(client: Client, fields: Mapping[str, Any], recording: Path | None = None) -> Any:
    data = dict(fields)
    if recording is None:
        return client.post(PREVIEW, data)
    file = io.BytesIO(recording.read_bytes())
    file.name = recording.name
    return client.post(PREVIEW, {**data, "recording": file})


def feed(recent: Recent, *temperatures: float) -> None:
    for second, temperature in enumerate(temperatures):
        at = 1_800_000_000.0 + second
        recent.add(host(gpu(0, temperature_celsius=temperature), gpu(1), time=at, sampled_at=at))


def test_a_rule_that_is_not_saved_is_tried_on_the_readings_in_memory(root: Client, recent: Recent) -> None:
    feed(recent, 80, 95, 96, 80, 92)
    answer = ask(root, HOT)
    said = text(answer)
    assert "temperature ≥ 90 °C" in said
    assert "Judged by 5 readings of the last 15 minutes, 2027-01-15 08:00:00 to 2027-01-15 08:00:04 UTC" in said
    assert "It would fire now: GPU 0: temperature is 92 °C, at or above 90 °C. It" in said
    assert "It would have fired 2 times, for 2 s in all." in said
    assert answer.content.decode().count("<polyline") == 2
    assert not AlertRule.objects.exists()


def test_a_rule_is_tried_on_a_recording(root: Client, recent: Recent, tmp_path: Path) -> None:
    said = text(ask(root, HOT, heat(tmp_path / "hot.jsonl", [80, 91, 80, 80])))
    assert "Judged by 4 readings of hot.jsonl" in said
    assert "At the end it would not fire." in said
    assert "It would have fired 1 time, for 1 s in all." in said


def test_a_saved_rule_is_tried_as_its_form_stands_and_stays_as_it_is(root: Client, recent: Recent) -> None:
    rule = hot()
    feed(recent, 80, 85)
    assert "It would fire now: GPU 0" in text(ask(root, {**HOT, "threshold": "82", "preview_of": rule.pk}))
    rule.refresh_from_db()
    assert rule.threshold == 90


def test_a_form_without_a_name_can_be_tried(root: Client, recent: Recent) -> None:
    hot()
    feed(recent, 95, 95)
    assert "It would fire now" in text(ask(root, {**HOT, "name": ""}))
    assert "It would fire now" in text(ask(root, HOT))  # a name that another rule has


def test_what_is_wrong_with_the_form_is_told_in_words(root: Client, recent: Recent) -> None:
    said = text(ask(root, {**HOT, "threshold": "", "throttle": "power"}))
    assert "This rule cannot be tried yet:" in said
    assert "Threshold: Needed for “A value passes a threshold”." in said
    assert "Throttle: Of no use" in said
    assert "Threshold: Enter a number." in text(ask(root, {**HOT, "threshold": "hot"}))


def test_a_bad_recording_is_told_in_words(root: Client, recent: Recent, tmp_path: Path) -> None:
    good = heat(tmp_path / "hot.jsonl", [80, 91])
    words = tmp_path / "words.txt"
    words.write_text("just words\n")
    cut = tmp_path / "cut.jsonl"
    cut.write_bytes(good.read_bytes()[:-20])
    assert "words.txt is not a recording" in text(ask(root, HOT, words))
    assert "cut.jsonl, line 3, is not a reading" in text(ask(root, HOT, cut))


def test_a_recording_that_is_too_large_is_refused(
    root: Client, recent: Recent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rule_preview, "MOST_UPLOADED_BYTES", 1 << 20)
    large = heat(tmp_path / "large.jsonl", [80.0] * 1500)
    assert large.stat().st_size > 1 << 20
    assert "large.jsonl is too large: at most 1 MiB are taken here." in text(ask(root, HOT, large))


def test_a_recording_larger_than_what_is_kept_in_memory_is_read_from_the_disk(
    root: Client, recent: Recent, tmp_path: Path, settings: Any
) -> None:
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 1000
    assert "Judged by 500 readings of hot.jsonl" in text(ask(root, HOT, heat(tmp_path / "hot.jsonl", [80.0] * 500)))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "No reading has been kept yet: wait a few seconds."),
        ({"gpu_name_pattern": "A100"}, "Nothing in these readings fits the rule"),
        ({"host_pattern": "elsewhere"}, "Nothing in these readings fits the rule"),
        ({"metric": "gpu.hotspot_temperature_celsius"}, "The value was never known in these readings"),
    ],
)
def test_where_there_is_nothing_to_judge_by_it_says_why(
    root: Client, recent: Recent, fields: dict[str, str], said: str
) -> None:
    if fields:
        feed(recent, 80)
    assert said in text(ask(root, {**HOT, **fields}))


def test_a_recording_has_no_metrics_of_the_host(root: Client, recent: Recent, tmp_path: Path) -> None:
    fields = {**HOT, "metric": "system.cpu_percent"}
    assert "no metrics of the host" in text(ask(root, fields, heat(tmp_path / "hot.jsonl", [80, 91])))


def test_what_a_process_is_called_cannot_break_the_page(root: Client, recent: Recent) -> None:
    evil = process(7, user="<script>alert(1)</script>", memory_used_bytes=90 << 30)
    recent.add(host(gpu(0, processes=(evil,)), time=5.0, sampled_at=5.0))
    answer = ask(root, {**HOT, "metric": "process.memory_used_bytes", "gpu_name_pattern": "*<b>*"})
    assert b"<script>alert" not in answer.content
    assert b"<b>" not in answer.content


@pytest.mark.parametrize(
    ("permissions", "is_allowed"),
    [
        (("view_alertrule", "mute_alertrule"), False),
        (("change_alertrule",), False),
        (("add_alertrule",), True),
        (("view_alertrule", "change_alertrule"), False),
    ],
)
def test_trying_a_new_rule_needs_the_permission_to_add(
    recent: Recent, permissions: tuple[str, ...], is_allowed: bool
) -> None:
    assert ask(holder_of(*permissions), HOT).status_code == (200 if is_allowed else 403)


def test_trying_a_saved_rule_needs_the_permission_to_change(recent: Recent) -> None:
    fields = {**HOT, "preview_of": hot().pk}
    client = holder_of("view_alertrule")
    assert ask(client, fields).status_code == 403
    User.objects.get().user_permissions.set(
        Permission.objects.filter(codename__in=["view_alertrule", "change_alertrule"])
    )
    assert ask(client, fields).status_code == 200


def test_a_preview_is_asked_for_by_post_with_a_token_and_a_login(root: Client) -> None:
    assert root.get(PREVIEW).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get(username="root"))
    assert strict.post(PREVIEW, HOT).status_code == 403
    anonymous: HttpResponse = Client().post(PREVIEW, HOT)
    assert anonymous.status_code == 302
