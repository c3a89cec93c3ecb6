"""Database rows (AlertRule) converted to rules for evaluation."""

from __future__ import annotations

import pytest

from monitor.models import AlertRule, SeenGpu
from monitor.models.rules import CONDITION_FIELDS
from monitor.rules import validation
from monitor.telemetry.gpu_use import IDLE_BY_DEFAULT


def test_unsaved_rule_is_converted_as_its_form_has_it() -> None:
    given = AlertRule(name="Hot", metric="gpu.temperature_celsius", comparator=">", threshold=90).given()
    assert (given["id"], given["gpus"]) == (None, [])
    rule = validation.make(given, IDLE_BY_DEFAULT)
    assert (rule.id, rule.comparator, rule.threshold, rule.which.uuids) == (0, ">", 90, frozenset())


@pytest.mark.django_db
def test_gpus_are_identified_by_uuid() -> None:
    rule = AlertRule.objects.create(name="Lost", kind="gpu_lost")
    rule.gpus.set([SeenGpu.objects.create(uuid=uuid) for uuid in ("GPU-b", "GPU-a")])
    assert rule.given()["gpus"] == ["GPU-a", "GPU-b"]
    made = validation.make(rule.given(), IDLE_BY_DEFAULT)
    assert (made.id, made.which.uuids) == (rule.pk, {"GPU-a", "GPU-b"})


@pytest.mark.django_db
def test_prefetched_gpus_cost_no_query(django_assert_num_queries: pytest.FixtureRequest) -> None:
    AlertRule.objects.create(name="Lost", kind="gpu_lost")
    [rule] = AlertRule.objects.filter(name="Lost").prefetch_related("gpus")
    with django_assert_num_queries(0):  # type: ignore[operator]
        rule.given()


def test_every_field_that_decides_what_fires_is_converted() -> None:
    told = {"muted_until", "quiet_hours", "remind_every_minutes", "is_enabled"}
    """These fields decide on notifications, and on whether the rule is evaluated."""
    kept = {field.name for field in AlertRule._meta.fields} - {"id", "created_at", "updated_at"}
    assert {"name", *CONDITION_FIELDS} == kept - told
