"""The form of an alert rule: named choices, the fields of each kind, and the validation of the model."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import groupby
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from monitor.models import AlertRule
from monitor.models.rules import CONDITION_FIELDS
from monitor.rules.kinds.registry import KINDS, fields_of_kinds
from monitor.rules.metrics import LIMITS, Metric, metrics
from monitor.rules.rule import Rule
from monitor.runtime.process import runtime

_GROUPS = {"gpu": "GPU", "process": "Process on a GPU", "system": "Host", "health": "Readings"}
PRESET_COMPARATOR = ">="
HELP = {
    "name": "Shown in alerts and messages. Must be unique.",
    "kind": "What the rule watches. Leave fields that the kind does not use empty.",
    "metric": "The value to compare. For a counter increase, one of the counters.",
    "relative_to": "Treat the threshold as an offset from this GPU limit; negative is below.",
    "clear_threshold": "The alert resolves only beyond this value (hysteresis). Empty: same as the threshold.",
    "throttle": "The reasons for throttling to watch.",
    "ignored_xids": "Comma-separated codes, such as 13, 31, 43, which faulty programs can cause.",
    "held_memory_mib": "Minimum memory held by one process, in MiB. Empty: the site's setting.",
    "for_seconds": "How many seconds the condition must hold before the rule fires, 0 to 2592000 (30 days). Empty: fire at once; "
    "idle memory: the site's setting.",
    "clear_for_seconds": "How many seconds the condition must be clear before the alert resolves, 0 to 2592000.",
    "gpus": "Only these GPUs. With all fields below empty too, the rule applies to every GPU.",
    "gpu_indexes": "Comma-separated indexes and ranges, such as 0, 2-5.",
    "gpu_name_pattern": "With the wildcards * and ?, such as *A100*.",
    "hosts": "Names with the wildcards * and ?, and tags, separated by commas: dgx-*, tag:lab. Also applies to host rules.",
    "muted_until": "No notifications until then, in the time zone {zone}. The rule is still evaluated and shown.",
    "quiet_hours": "When no notifications are sent, one time span per line: Mon-Fri 22:00-07:00, or 22:00-06:00 for every day.",
    "remind_every_minutes": "Minutes after which the notification is repeated while the alert fires. 0: never.",
    "channels": "Leave empty to use the default channels.",
}


def server_clock() -> str:
    """The zone that times are meant in, and the time there now."""
    zone = timezone.get_default_timezone()
    return f"In the server's time zone, {zone} (TZ), where it is {timezone.now().astimezone(zone):%H:%M %Z} now."


def threshold_help() -> str:
    """The meaning of a threshold for the kinds that define it."""
    own = (f"{kind.label}: {kind.threshold_help}." for kind in KINDS.values() if kind.threshold_help)
    return " ".join(["In the metric's unit.", *own])


def metric_choices() -> list[tuple[str, str | list[tuple[str, str]]]]:
    """Every metric with its unit, by group: Temperature, °C."""
    groups = groupby(metrics().values(), key=lambda metric: metric.of)
    return [("", "—"), *[(_GROUPS[of], [(metric.key, _named(metric)) for metric in found]) for of, found in groups]]


def _named(metric: Metric) -> str:
    return metric.label[0].upper() + metric.label[1:] + (f", {metric.unit}" if metric.unit else "")


def _limit_choices() -> list[tuple[str, str]]:
    return [("", "a number"), *[(limit, _named(metrics()[f"gpu.{limit}"])) for limit in LIMITS]]


def what_kinds_need() -> SafeString:
    """Every kind with its fields, for browsers without JavaScript, which show all fields at once."""
    labels = {field.name: str(field.verbose_name) for field in AlertRule._meta.fields}

    def named(fields: Iterable[str]) -> str:
        return ", ".join(labels[name] for name in fields)

    rows = format_html_join(
        "",
        "<dt>{}</dt><dd>{} {}{}</dd>",
        (
            (
                kind.label,
                kind.help,
                f"Required: {named(kind.needs)}." if kind.needs else "",
                f" Optional: {named(kind.takes)}." if kind.takes else "",
            )
            for kind in KINDS.values()
        ),
    )
    return format_html("<details><summary>Fields of each kind</summary><dl>{}</dl></details>", rows)


class AlertRuleForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """`rule` is the rule to evaluate, once its condition is valid."""

    rule: Rule | None = None

    class Meta:
        model = AlertRule
        fields = "__all__"  # noqa: DJ007  # the admin selects them
        help_texts = HELP

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("clear_for_seconds", "remind_every_minutes"):
            if name in self.fields:
                self.fields[name].required = False
        if "quiet_hours" in self.fields:
            self.fields["quiet_hours"].help_text = f"{HELP['quiet_hours']} {server_clock()}"
        if "muted_until" in self.fields:
            zone = timezone.get_current_timezone_name()
            self.fields["muted_until"].help_text = HELP["muted_until"].format(zone=zone)
            for part, widget in zip(("date", "time"), self.fields["muted_until"].widget.widgets, strict=True):
                widget.attrs["aria-label"] = f"Muted until: {part}"
        if "kind" not in self.fields:
            return  # shown as texts, to somebody who may only look
        self.fields["threshold"].help_text = threshold_help()
        units = {metric.key: metric.unit for metric in metrics().values()}
        self.fields["metric"] = forms.ChoiceField(
            choices=metric_choices,
            required=False,
            help_text=HELP["metric"],
            widget=forms.Select(attrs=_as_data(metrics=units)),
        )
        self.fields["relative_to"] = forms.ChoiceField(
            choices=_limit_choices, required=False, label="Relative to", help_text=HELP["relative_to"]
        )
        kinds = {
            name: {
                "help": kind.help,
                "fields": kind.fields,
                "unit": kind.threshold_unit,
                "metrics": [*kind.metric_keys()] if len(kind.metric_keys()) < len(units) else None,
            }
            for name, kind in KINDS.items()
        }
        self.fields["kind"].widget.attrs.update(_as_data(kinds=kinds, of_kinds=(*fields_of_kinds(), "for_seconds")))
        if not self.instance.pk and not self.is_bound:
            self.initial.setdefault("comparator", PRESET_COMPARATOR)

    def clean_comparator(self) -> str:
        """Drop the preset of a new form for kinds without a comparator: without JavaScript it is sent for every kind."""
        comparator: str = self.cleaned_data["comparator"]
        kind = KINDS.get(self.cleaned_data.get("kind", ""))
        is_used = kind is None or "comparator" in kind.needs
        return "" if comparator == PRESET_COMPARATOR and not is_used else comparator

    def clean_clear_for_seconds(self) -> float:
        """Empty is 0."""
        return self.cleaned_data["clear_for_seconds"] or 0.0

    def clean_remind_every_minutes(self) -> int:
        """Empty is 0, which is never."""
        return self.cleaned_data["remind_every_minutes"] or 0

    def _post_clean(self) -> None:
        """The model validates the rule here; make it, unless its condition has errors."""
        super()._post_clean()  # type: ignore[misc]  # the stubs lack it
        if any(name in self.errors for name in (*CONDITION_FIELDS, "gpus")):
            return
        given = {**self.instance.given(), "name": self.instance.name or "this rule"}
        if "gpus" in self.cleaned_data:
            given["gpus"] = [gpu.uuid for gpu in self.cleaned_data["gpus"]]
        self.rule = runtime().make_rule(given)


def _as_data(**values: Any) -> dict[str, str]:
    """For static/js/admin_rule.js."""
    return {f"data-{name.replace('_', '-')}": json.dumps(value, ensure_ascii=False) for name, value in values.items()}
