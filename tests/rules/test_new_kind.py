"""A new kind of rule needs one class and one line in the registry; all other code finds it there."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import msgspec
import pytest
from django.contrib.auth.models import User
from django.test import Client

from monitor.alerts import rules_import, rules_yaml, store
from monitor.alerts.rules_yaml import BadFile
from monitor.models import AlertRule
from monitor.rules.columns import Column, Memory, Tick
from monitor.rules.description import condition_of, lines_of
from monitor.rules.evaluation import Evaluation
from monitor.rules.judge import Change
from monitor.rules.kinds.base import Kind, Words, gpu_of
from monitor.rules.kinds.registry import KINDS
from monitor.rules.rule import Rule
from monitor.rules.trial import try_rule
from monitor.rules.trial_chart import chart_of
from monitor.rules.validation import BadRule, make
from monitor.telemetry.gpu_use import IDLE_BY_DEFAULT
from monitor.telemetry.schema import Snapshot
from tests.support.clients import text
from tests.support.hot_rule import ADD, LIST
from tests.support.runtimes import current_runtime
from tests.support.snapshots import gpu, host, process


class ManyProcesses(Kind):
    name = "many_processes"
    label = "Many processes"
    help = "At least the given number of processes are on one GPU."
    needs = ("threshold",)
    threshold_unit = "processes"
    threshold_help = "number of processes"
    reports_worst = True

    def column(self, tick: Tick, rule: Rule, memory: Memory) -> Column:
        keys, gpus = tick.selected(rule.which)
        return Column(keys, [None if each.processes is None else float(len(each.processes)) for each in gpus], gpus)

    def condition(self, rule: Rule) -> str:
        return f"{rule.threshold:g} or more processes on one GPU"

    def words(self, change: Change, tick: Tick) -> Words:
        count = change.state.value or 0.0
        return Words(f"GPU {gpu_of(change).index} has {count:g} processes", "", count, change.rule.threshold)

    def chart_title(self, rule: Rule, *, is_offset: bool) -> str:
        return "processes on one GPU"


@pytest.fixture(autouse=True)
def new_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, ManyProcesses.name, ManyProcesses())


CROWD = {"name": "Crowd", "kind": "many_processes", "threshold": 2.0, "for_seconds": 1.0}
FORM = {
    "name": "Crowd",
    "is_enabled": "on",
    "severity": "warning",
    "kind": "many_processes",
    "threshold": "2",
    "mig": "any",
}


def rule(**changes: Any) -> Rule:
    return make({**CROWD, **changes}, IDLE_BY_DEFAULT)


def crowded(*counts: int) -> list[Snapshot]:
    """A GPU with a number of processes for each reading, one reading a second."""
    return [
        host(gpu(0, processes=tuple(map(process, range(count)))), time=1000.0 + second, sampled_at=1000.0 + second)
        for second, count in enumerate(counts)
    ]


@pytest.fixture
def root(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


def test_new_kind_is_validated() -> None:
    with pytest.raises(BadRule) as raised:
        rule(threshold=None, throttle="power")
    assert raised.value.problems == {
        "threshold": "required for “Many processes”",
        "throttle": "not used by “Many processes”: leave it empty",
    }
    with pytest.raises(BadRule, match="greater than 0"):
        rule(threshold=-1.0)


def test_new_kind_is_evaluated_and_summarized() -> None:
    evaluation = Evaluation()
    evaluation.set_rules([rule()])
    fired, resolved = [event for snapshot in crowded(1, 2, 3, 4, 1) for event in evaluation.take(snapshot)]
    assert (fired.summary, fired.value, fired.threshold, fired.gpu_index) == ("GPU 0 has 3 processes", 3, 2, 0)
    assert (resolved.resolved_because, resolved.worst_value) == ("condition cleared", 4)


def test_new_kind_is_described() -> None:
    assert condition_of(rule(gpu_indexes="0")) == "2 or more processes on one GPU for 1\u2009s (index 0)"
    lines = dict(lines_of(msgspec.to_builtins(rule())))
    assert (lines["Kind"], lines["Condition"]) == ("Many processes", "2 or more processes on one GPU")


def test_new_kind_is_tested_on_past_readings_with_a_chart() -> None:
    chart = chart_of(try_rule(rule(), crowded(1, 2, 3, 1)))
    assert chart is not None
    assert (chart.title, chart.threshold.label, [line.label for line in chart.series]) == (
        "processes on one GPU",
        "≥ 2",
        ["GPU 0"],
    )
    assert (chart.high.label, chart.low.label) == ("3", "0")


@pytest.mark.django_db
def test_new_kind_is_exported_and_imported_as_yaml() -> None:
    AlertRule.objects.all().delete()
    file = "gpumon_rules: 1\nrules:\n- {name: Crowd, kind: many_processes, threshold: 2}\n"
    rules_import.take(rules_yaml.read(file), replace=True)
    assert rules_yaml.written(rules_import.entries()).endswith(
        "- name: Crowd\n  kind: many_processes\n  threshold: 2.0\n"
    )
    with pytest.raises(BadFile, match=r"rule 1 “Crowd”, metric: Not used by “Many processes”: leave it empty\."):
        rules_yaml.read(file.replace("threshold", "metric: gpu.power_watts, threshold"))


@pytest.mark.usefixtures("static_root")
def test_admin_form_offers_the_new_kind_with_its_fields(root: Client) -> None:
    AlertRule.objects.all().delete()
    page = root.get(ADD)
    assert "Many processes At least the given number of processes are on one GPU. Required: threshold." in text(page)
    assert "Many processes: number of processes." in text(page)
    found = re.search(
        r'<select name="kind"[^>]* data-kinds="([^"]*)"[^>]*>(.*?)</select>', page.content.decode(), re.DOTALL
    )
    assert found is not None
    assert json.loads(html.unescape(found[1]))["many_processes"] == {
        "help": "At least the given number of processes are on one GPU.",
        "fields": ["threshold", "for_seconds"],
        "unit": "processes",
        "metrics": None,
    }
    assert '<option value="many_processes">Many processes</option>' in found[2]
    refused = root.post(ADD, {**FORM, "threshold": ""})
    assert refused.context["adminform"].form.errors == {"threshold": ["Required for “Many processes”."]}
    assert root.post(ADD, FORM).status_code == 302
    assert "2 or more processes on one GPU" in text(root.get(LIST))


@pytest.mark.usefixtures("static_root")
def test_admin_previews_the_new_kind(root: Client) -> None:
    with current_runtime() as runtime:
        for snapshot in crowded(1, 2, 3):
            runtime.alerts.recent.add(snapshot)
        said = text(root.post(f"{LIST}preview/", FORM))
    assert "It would fire now: GPU 0 has 2 processes." in said
    assert "Processes on one GPU" in said


@pytest.mark.django_db
def test_engine_loads_the_new_kind_and_skips_a_kind_of_another_version(caplog: pytest.LogCaptureFixture) -> None:
    AlertRule.objects.all().delete()
    AlertRule.objects.create(name="Crowd", kind="many_processes", threshold=2)
    AlertRule.objects.create(name="Later", kind="fan_stopped")
    found = store.load_rules(IDLE_BY_DEFAULT)
    assert [row.rule.kind for row in found.values()] == ["many_processes"]
    assert "skipping the invalid alert rule 'Later': kind: 'fan_stopped' is not one of" in caplog.text
