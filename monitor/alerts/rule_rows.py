"""An AlertRule of the database as the mapping that `rules.make` takes: one place for the engine, the admin and YAML."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from monitor.models import AlertRule

JUDGED = (
    "name",
    "severity",
    "kind",
    "metric",
    "comparator",
    "threshold",
    "clear_threshold",
    "relative_to",
    "throttle",
    "ignored_xids",
    "held_memory_mib",
    "for_seconds",
    "clear_for_seconds",
    "gpu_indexes",
    "gpu_name_pattern",
    "host_pattern",
    "mig",
)
"""Fields of an AlertRule that decide what fires. `gpus` does too, and is no field of its row but a relation."""


def given_of(rule: AlertRule) -> dict[str, Any]:
    """Its fields, `id` (None while it is not saved) and `gpus` as UUIDs in order; those of a rule not yet saved are none.

    `gpus` costs a query unless it was prefetched: `AlertRule.objects.prefetch_related("gpus")`.
    """
    given: dict[str, Any] = {name: getattr(rule, name) for name in JUDGED}
    given["id"] = rule.pk
    given["gpus"] = [] if rule.pk is None else sorted(gpu.uuid for gpu in rule.gpus.all())
    return given
