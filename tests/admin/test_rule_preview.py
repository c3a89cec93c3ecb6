"""The preview tests an unsaved rule on the readings in memory; it requires permission."""

from __future__ import annotations

import html
import json
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import OperationalError
from django.http import HttpResponse
from django.test import Client

from monitor.admin import rule_preview
from monitor.admin.preview_span import CHOICES
from monitor.history import store
from monitor.history.buckets import Buckets, Column
from monitor.models import AlertRule, FleetHost, HistorySource
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
        ({"hosts": "elsewhere"}, "No GPU or host in these readings matches the rule"),
        ({"metric": "gpu.hotspot_temperature_celsius"}, "The value is unknown in all of these readings"),
    ],
)
def test_preview_explains_missing_data(root: Client, recent: Recent, fields: dict[str, str], said: str) -> None:
    if fields:
        feed(recent, 80)
    assert said in text(ask(root, {**HOT, **fields}))


def test_rule_about_hosts_has_no_preview_and_says_why(root: Client, recent: Recent) -> None:
    feed(recent, 80)
    fields = {**HOT, "kind": "host_down", "metric": "", "comparator": "", "threshold": ""}
    assert "there is no preview of rules of this kind" in text(ask(root, fields))


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


# ── On the stored history ─────────────────────────────────────────────────────────────────────────────────────────────

STORED_AT = 1_800_000_000


def stored(*temperatures: float, at: int = STORED_AT, host_id: str = "") -> None:
    """A GPU's temperatures, a second each."""
    values: list[float | None] = [*temperatures]
    seconds = [1.0] * len(values)
    buckets = Buckets(
        [at + place for place in range(len(values))],
        seconds,
        {"temperature_celsius": Column(values, values, values, seconds)},
    )
    source = HistorySource(
        host_id=host_id, key="GPU-0", kind="gpu", index=0, name="H100", first_at=at, last_at=at + len(values)
    )
    store.write([store.Written(source, [buckets], is_changed=True)], [])


CHOSEN = {"preview_span": "chosen", "preview_from": "2027-01-15T08:00", "preview_to": "2027-01-15T08:00:10"}


def test_unsaved_rule_is_tested_on_a_span_of_the_stored_history(root: Client, recent: Recent) -> None:
    stored(80, 95, 96, 80, 92, 80)
    answer = ask(root, {**HOT, **CHOSEN})
    said = text(answer)
    assert "Evaluated on the stored seconds from 15 Jan 2027, 08:00:00 UTC to 15 Jan 2027, 08:00:05 UTC" in said
    assert "It would not fire at the end. It would have fired 2 times, for 3 s in all." in said
    assert chart_of(answer)["series"][0]["values"] == [80, 95, 96, 80, 92, 80]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"preview_span": "24h"}, "Nothing is stored yet."),
        ({"preview_span": "chosen"}, "“From” is missing"),
        ({**CHOSEN, "preview_to": "2027-01-15T07:00"}, "“From” must be before “To”."),
        ({**CHOSEN, "preview_to": "2029-01-15T07:00"}, "The span must be a year at most."),
        ({**CHOSEN, "preview_to": "noon"}, "“To” 'noon' is not a date and time"),
        ({**CHOSEN, "preview_to": "2027-02-31T07:00"}, "is not a date and time"),
        ({**CHOSEN, "preview_to": "0001-01-01T00:00"}, "must be before"),
        ({"preview_span": "ever"}, "must be one of: memory, 1h, 24h, 7d, 30d, chosen."),
        ({**CHOSEN, "kind": "xid", "metric": "", "threshold": ""}, "the history stores no Xid errors"),
    ],
)
def test_span_that_cannot_be_tested_says_why(root: Client, recent: Recent, given: dict[str, str], said: str) -> None:
    assert said in text(ask(root, {**HOT, **given}))


def test_history_that_does_not_respond_is_said(root: Client, recent: Recent, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_host_id: str) -> None:
        raise OperationalError("disk I/O error")

    monkeypatch.setattr(store, "sources", fail)
    said = text(ask(root, {**HOT, "preview_span": "24h"}))
    assert "The stored history cannot be read now (disk I/O error)." in said


@pytest.fixture
def hosts() -> dict[str, str]:
    """Two other hosts, the second of which has readings, also of the last minutes."""
    ids = {"node-1": "a" * 32, "node-2": "b" * 32, "node-3": "c" * 32}
    for name, host_id in ids.items():
        FleetHost.objects.create(host_id=host_id, name=name, tags=["lab"])
    FleetHost.objects.filter(name="node-3").update(state="retired")
    stored(80, 95, 96, 80, 92, 80, at=STORED_AT, host_id=ids["node-2"])
    return ids


@pytest.mark.parametrize("hosts_of_rule", ["tag:lab", "node-*", "node-2, dgx-9"])
def test_rule_for_other_hosts_is_tested_on_one_that_it_applies_to(
    root: Client, recent: Recent, hosts: dict[str, str], hosts_of_rule: str
) -> None:
    stored(99, 99, 99)  # of the host that answers
    said = text(ask(root, {**HOT, **CHOSEN, "hosts": hosts_of_rule}))
    assert "Evaluated on the stored seconds of node-2, a host that the rule applies to, from 15 Jan 2027" in said
    assert "It would have fired 2 times, for 3 s in all." in said


def test_last_minutes_of_another_host_are_read_from_the_history(
    root: Client, recent: Recent, hosts: dict[str, str]
) -> None:
    stored(95, 96, at=int(time.time()) - 60, host_id=hosts["node-1"])
    said = text(ask(root, {**HOT, "hosts": "node-1"}))
    assert "Evaluated on the stored seconds of node-1" in said
    assert "It would fire at the end: GPU 0 reached 9" in said


def test_rule_for_a_host_that_was_retired_has_no_readings(root: Client, recent: Recent, hosts: dict[str, str]) -> None:
    stored(95, 96)
    said = text(ask(root, {**HOT, **CHOSEN, "hosts": "node-3"}))
    assert "No GPU or host in these readings matches the rule: check its GPUs and host." in said


def test_form_offers_the_spans(root: Client) -> None:
    said = root.get(f"{LIST}add/").content.decode()
    assert all(f'<option value="{each.value}">' in said for each in CHOICES)
