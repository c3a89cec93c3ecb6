"""Rules as YAML: an export is imported unchanged, and a file with an error changes nothing."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from monitor.alerts import rules_import
from monitor.alerts.rules_yaml import FIELDS, BadFile, Entry, read, written
from monitor.models import AlertRule, Channel, SeenGpu
from monitor.rules import validation
from monitor.rules.choices import COMPARE, SEVERITIES
from monitor.rules.kinds.registry import KINDS
from monitor.rules.metrics import COUNTERS, LIMITS, metrics
from monitor.rules.rule import Rule
from monitor.rules.validation import BadRule
from monitor.telemetry.gpu_use import IDLE_BY_DEFAULT

HOT = "- {name: Hot, metric: gpu.temperature_celsius, comparator: '>=', threshold: 90}"


def make(given: Any) -> Rule:
    return validation.make(given, IDLE_BY_DEFAULT)


def file(*said: str) -> str:
    return "\n".join(["gpumon_rules: 1", "rules:", *said])


def complaint(text: str) -> str:
    with pytest.raises(BadFile) as caught:
        read(text)
    return str(caught.value)


def take(text: str, *, replace: bool = False, is_trial: bool = False) -> rules_import.Plan:
    return rules_import.take(read(text), replace=replace, is_trial=is_trial)


@pytest.fixture
def no_rules(db: None) -> None:
    """Delete the rules of the first migration."""
    AlertRule.objects.all().delete()


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=100)
numbers = st.floats(-1e12, 1e12).map(lambda number: number + 0.0)
seconds = st.floats(0, validation.LONGEST_SECONDS).map(lambda number: number + 0.0)
moments = st.integers(-(2**31), 2**32).map(lambda second: dt.datetime.fromtimestamp(second + 0.25, dt.UTC))
wholes = st.integers(0, 2**31 - 1)


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    """Any valid rule."""
    kind = draw(st.sampled_from(sorted(KINDS)))
    of_kind: dict[str, st.SearchStrategy[Any]] = {
        "metric": st.sampled_from(COUNTERS if kind == "rise" else sorted(metrics())),
        "comparator": st.sampled_from(sorted(COMPARE)),
        "threshold": numbers if kind in ("threshold", "idle_held") else st.floats(0.001, 1e6),
        "clear_threshold": numbers,
        "relative_to": st.sampled_from(LIMITS),
        "throttle": st.sampled_from(["thermal", "power", "any"]),
        "ignored_xids": st.lists(st.integers(0, 999)).map(lambda codes: ",".join(map(str, codes))[:200].rstrip(",")),
        "held_memory_mib": wholes,
    }
    values: dict[str, Any] = {name: draw(of_kind[name]) for name in KINDS[kind].needs}
    values |= {name: draw(of_kind[name]) for name in KINDS[kind].takes if draw(st.booleans())}
    if "clear_threshold" in values:
        sign = -1 if values["comparator"].startswith(">") else 1
        values["clear_threshold"] = values["threshold"] + sign * abs(values["clear_threshold"])
    if not values.get("metric", "").startswith("gpu."):
        values.pop("relative_to", None)
    row = AlertRule(
        name=draw(texts.map(str.strip).filter(bool)),
        kind=kind,
        severity=draw(st.sampled_from(SEVERITIES)),
        is_enabled=draw(st.booleans()),
        for_seconds=draw(st.sampled_from([None, 0.0]) if KINDS[kind].is_instant else st.none() | seconds),
        clear_for_seconds=draw(seconds),
        gpu_indexes=draw(st.sampled_from(["", "0", "0,2-5"])),
        gpu_name_pattern=draw(texts),
        hosts=draw(texts),
        mig=draw(st.sampled_from(["any", "only", "without"])),
        muted_until=draw(st.none() | moments),
        quiet_hours=draw(st.sampled_from(["", "Mon-Fri 22:00-07:00\r\nSat 00:00-24:00"])),
        remind_every_minutes=draw(wholes),
        **values,
    )
    gpus = draw(st.sets(st.sampled_from(["GPU-a", "GPU-b", "MIG-c"])))
    return Entry(row, tuple(sorted(gpus)), tuple(sorted(draw(st.sets(st.sampled_from(["mail", "Chat: #1"]))))))


many = st.lists(entries(), max_size=3, unique_by=lambda entry: entry.row.name)


def values(row: AlertRule) -> dict[str, Any]:
    return {name: getattr(row, name) for name in FIELDS if name not in ("gpus", "channels")}


@given(many)
def test_exported_rules_are_read_back_unchanged(given: list[Entry]) -> None:
    found = read(written(given))
    assert [(values(entry.row), entry.gpus, entry.channels) for entry in found] == [
        (values(entry.row), entry.gpus, entry.channels) for entry in given
    ]


class TestDatabase(TestCase):
    """Hypothesis needs its own TestCase, which rolls back after each example."""

    @given(many, many)
    @settings(max_examples=30)
    def test_exported_rules_imported_over_others_are_exactly_as_before(
        self, given: list[Entry], others: list[Entry]
    ) -> None:
        for name in ("mail", "Chat: #1"):
            Channel.objects.create(name=name, url="json://localhost")
        rules_import.take(given, replace=True)
        exported = written(rules_import.entries())
        rules_import.take(others, replace=True)
        rules_import.take(read(exported), replace=True)
        assert written(rules_import.entries()) == exported
        rows = {row.name: (values(row), {gpu.uuid for gpu in row.gpus.all()}) for row in AlertRule.objects.all()}
        assert rows == {entry.row.name: (values(entry.row), {*entry.gpus}) for entry in given}


@pytest.mark.usefixtures("no_rules")
def test_import_adds_and_changes_rules_and_leaves_others_unchanged() -> None:
    same = AlertRule.objects.create(name="Same", kind="gpu_lost")
    AlertRule.objects.create(name="Other", kind="gpu_lost")
    AlertRule.objects.create(name="Hot", metric="gpu.temperature_celsius", comparator=">", threshold=1)
    plan = take(file(HOT, "- {name: Same, kind: gpu_lost}", "- {name: New, kind: stale, threshold: 30, gpus: [GPU-x]}"))
    assert plan == (["New"], ["Hot"], ["Same"], [])
    assert AlertRule.objects.get(name="Same").updated_at == same.updated_at
    assert AlertRule.objects.get(name="Hot").threshold == 90
    assert [gpu.uuid for gpu in AlertRule.objects.get(name="New").gpus.all()] == ["GPU-x"]
    assert AlertRule.objects.count() == 4


@pytest.mark.usefixtures("no_rules")
def test_replacing_import_deletes_rules_missing_from_the_file() -> None:
    AlertRule.objects.create(name="Other", kind="gpu_lost")
    assert take(file(HOT), replace=True).deleted == ["Other"]
    assert [row.name for row in AlertRule.objects.all()] == ["Hot"]


@pytest.mark.usefixtures("no_rules")
def test_dry_run_reports_the_same_and_changes_nothing() -> None:
    AlertRule.objects.create(name="Other", kind="gpu_lost")
    assert take(file(HOT.replace("}", ", gpus: [GPU-x]}")), replace=True, is_trial=True) == (["Hot"], [], [], ["Other"])
    assert [row.name for row in AlertRule.objects.all()] == ["Other"]
    assert not SeenGpu.objects.exists()


@pytest.mark.usefixtures("no_rules")
def test_unknown_channel_rejects_the_whole_file() -> None:
    Channel.objects.create(name="mail", url="json://localhost")
    with pytest.raises(BadFile) as caught:
        take(file("- {name: Lost, kind: gpu_lost}", HOT.replace("}", ", channels: [mial]}")))
    assert str(caught.value) == "rule “Hot”, channels: there is no channel “mial”; existing: “mail”"
    assert not AlertRule.objects.exists()


def test_unknown_field_is_refused_with_the_closest_match() -> None:
    said = complaint(file(HOT.replace("threshold", "treshold")))
    assert said == "rule 1 “Hot”, treshold: there is no such field; the nearest is 'threshold'"


def test_former_name_of_a_field_is_read() -> None:
    head = "gpumon_rules: 1\nrules:\n- {name: a, kind: gpu_lost, host_pattern: 'dgx-*'"
    (entry,) = read(f"{head}}}")
    assert entry.row.hosts == "dgx-*"
    with pytest.raises(BadFile, match="hosts: given twice, also by its former name"):
        read(f"{head}, hosts: other}}")


def test_every_problem_is_reported_with_rule_and_field() -> None:
    said = complaint(
        file(
            HOT.replace("temperature", "temprature"),
            "- {name: Stale, kind: stale, threshold: 1e3}",
            "- {name: Lost, kind: gpu_lost, severity: fatal, gpu_indexes: 0-x}",
            "- just words",
            "- {kind: gpu_lost}",
        )
    ).splitlines()
    assert said[0] == (
        "rule 1 “Hot”, metric: 'gpu.temprature_celsius' is unknown; the nearest is 'gpu.temperature_celsius'."
    )
    assert said[1].startswith("rule 2 “Stale”, threshold: '1e3' is not a number")
    assert said[2] == "rule 3 “Lost”, severity: 'fatal' is not one of info, warning, critical."
    assert said[3].startswith("rule 3 “Lost”, gpu_indexes: '0-x' is not a GPU index")
    assert said[4].startswith("rule 4: not a rule")
    assert said[5] == "rule 5, name: This field cannot be blank."


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("name", "' x'", "begins or ends with a space"),
        ("name", "x" * 101, "at most 100 characters (it has 101)"),
        ("name", "7", "is not text"),
        ("is_enabled", "'no'", "neither true nor false"),
        ("severity", "''", "'' is not one of info, warning, critical"),
        ("threshold", ".nan", "is not a number"),
        ("threshold", "true", "is not a number"),
        ("clear_for_seconds", "null", "is not a number"),
        ("for_seconds", "-1", "out of range"),
        ("remind_every_minutes", "1.5", "is not a whole number"),
        ("remind_every_minutes", "-1", "-1 is out of range: 0 to 2147483647"),
        ("gpus", "GPU-1", "is not a list of UUIDs"),
        ("channels", "[1]", "is not a list of names"),
        ("muted_until", "2030-01-01 00:00:00", "is not a time with its zone"),
        ("muted_until", "tomorrow", "is not a time with its zone"),
        ("muted_until", "0001-01-01 00:00:00+05:00", "out of range: 2 to 9998"),
        ("muted_until", "9999-12-31 23:00:00+00:00", "out of range: 2 to 9998"),
        ("for_seconds", "1" + "0" * 400, "is not a number"),
        ("quiet_hours", "Mon 25:00-26:00", "Quiet hours"),
        ("ignored_xids", "'13'", "Not used by"),
    ],
)
def test_value_of_the_wrong_type_is_refused(field: str, value: str, said: str) -> None:
    fields = {"name": "Hot", "metric": "gpu.temperature_celsius", "comparator": "'>='", "threshold": "90", field: value}
    told = complaint(file(f"- {{{', '.join(f'{name}: {given}' for name, given in fields.items())}}}"))
    assert f"{field}: " in told
    assert said in told


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rules: [", "not YAML"),
        ("just words", "must begin with `gpumon_rules: 1`"),
        ("", "must begin with `gpumon_rules: 1`"),
        ("gpumon_rules: 2\nrules: []", "unsupported version"),
        ("gpumon_rules: 1\nrules: {}", "must be a list"),
        ("gpumon_rules: 1\nrule: []", "'rule' is not a top-level field; the nearest is 'rules'"),
        (file("- {name: a, name: b, kind: gpu_lost}"), "'name' is a duplicate key"),
        (file("- {name: a, kind: gpu_lost}", "- {name: a, kind: gpu_lost}"), "another rule in the file has this name"),
        (file("- !!python/object/apply:os.system ['true']"), "not YAML"),
        (file("- {muted_until: 2030-02-30 18:00:00Z}"), "'2030-02-30 18:00:00Z' is not a valid timestamp in"),
        (file("- {threshold: 0x_}"), "'0x_' is not a valid int in"),
        (file("- {threshold: 1" + "0" * 5000 + "}"), "is not a valid int in"),
        (file("- {muted_until: !!timestamp soon}"), "'soon' is not a valid timestamp in"),
        (file("- {is_enabled: !!bool perhaps}"), "'perhaps' is not a valid bool in"),
        (file("- " + "[" * 600), "too deep"),
        (file("- {name: &a [x, x], kind: [*a, *a]}"), "aliases (*name) are not supported"),
    ],
)
def test_file_without_rules_is_refused(text: str, said: str) -> None:
    assert said in complaint(text)


def test_values_shared_by_two_rules_are_written_without_anchors() -> None:
    until = dt.datetime(2030, 1, 31, 18, tzinfo=dt.UTC)
    both = [Entry(AlertRule(name=name, kind="gpu_lost", muted_until=until), (), ()) for name in ("a", "b")]
    assert [entry.row.muted_until for entry in read(written(both))] == [until, until]


def test_a_single_number_needs_no_quotes() -> None:
    [entry] = read(file("- {name: Xid, kind: xid, ignored_xids: 13, gpu_indexes: 2}"))
    assert (entry.row.ignored_xids, entry.row.gpu_indexes) == ("13", "2")


def test_new_rule_is_exported_without_default_values() -> None:
    rule = AlertRule(name="Lost", kind="gpu_lost", severity="critical")
    document = yaml.safe_load(written([Entry(rule, (), ())]))
    assert document == {"gpumon_rules": 1, "rules": [{"name": "Lost", "severity": "critical", "kind": "gpu_lost"}]}


def test_file_accepts_every_editable_field() -> None:
    kept = {field.name for field in (*AlertRule._meta.fields, *AlertRule._meta.many_to_many)}
    assert set(FIELDS) == kept - {"id", "created_at", "updated_at"}


@given(entries())
def test_each_rule_of_these_tests_is_valid(entry: Entry) -> None:
    try:
        make(entry.given())
    except BadRule as error:
        raise AssertionError(entry.given()) from error
